"""What the benchmarks let contenders do: one module for each thing a job may need to import."""
