package tocsin.tests.preloaded_library

import data.tocsin.testing

executed(env, more) := testing.event("sched_process_exec", {"pathname": "/usr/bin/id", "argv": ["id"], "env": env}, more)

test_match if testing.fires("preloaded_library", executed(["PATH=/bin", "LD_PRELOAD=/tmp/x.so"], {}))

test_match_in_container if testing.fires("preloaded_library", executed(["LD_AUDIT=/dev/shm/a.so"], testing.container))

test_evasion_second_in_the_list if testing.fires("preloaded_library", executed(["LD_PRELOAD=/usr/lib/libjemalloc.so:/var/tmp/x.so"], {}))

test_near_miss_system_library if not testing.fires("preloaded_library", executed(["LD_PRELOAD=/usr/lib/libjemalloc.so"], {}))

test_near_miss_other_variable if not testing.fires("preloaded_library", executed(["TMPDIR=/tmp/x"], {}))
