"""What stands in front of the results of a chunk, on their way to the caller."""

from __future__ import annotations

from struct import Struct

#: start, n_items, n_sent, wall_s, cpu_s, run_delay_s, pickle_s, flags, size of the pickle that
#: follows, bytes of all results, growth of the process: peak, now
REPORT = Struct("<qqqddddBQQQQ")
LAST, SOME_UNPICKLABLE, ELSEWHERE, TELLS_GROWTH, LEAVES, UNREAD = 1, 2, 4, 8, 16, 32
