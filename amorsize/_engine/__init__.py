"""One call: asks the policy what to do, drives the workers, keeps the results."""
