package tocsin.tests.preloaded_library

import data.tocsin.rules.preloaded_library as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

executed(env, more) := testing.event("sched_process_exec", {"pathname": "/usr/bin/id", "argv": ["id"], "env": env}, more)

test_match if fires(executed(["PATH=/bin", "LD_PRELOAD=/tmp/x.so"], {}))

test_match_in_container if fires(executed(["LD_AUDIT=/dev/shm/a.so"], testing.container))

test_evasion_second_in_the_list if fires(executed(["LD_PRELOAD=/usr/lib/libjemalloc.so:/var/tmp/x.so"], {}))

test_near_miss_system_library if not fires(executed(["LD_PRELOAD=/usr/lib/libjemalloc.so"], {}))

test_near_miss_other_variable if not fires(executed(["TMPDIR=/tmp/x"], {}))

test_evasion_home if fires(executed(["LD_PRELOAD=/home/u/x.so"], {}))

test_evasion_relative if fires(executed(["LD_PRELOAD=./x.so"], {}))

test_evasion_memory if fires(executed(["LD_PRELOAD=/proc/self/fd/3"], {}))

test_near_miss_bare_name if not fires(executed(["LD_PRELOAD=libfakeroot-sysv.so"], {}))
