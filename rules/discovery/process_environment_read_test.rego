package tocsin.tests.process_environment_read

import data.tocsin.testing

test_match_1 if testing.fires("process_environment_read", testing.opened("/proc/1/environ", "O_RDONLY", testing.container))

test_match_2 if testing.fires("process_environment_read", testing.opened("/proc/sched_debug", "O_RDONLY", testing.container))

test_evasion_through_thread if testing.fires("process_environment_read", testing.opened("/proc/1/task/1/environ", "O_RDONLY", testing.container))

test_near_miss_own if not testing.fires("process_environment_read", testing.opened("/proc/4000/environ", "O_RDONLY", testing.container))

test_near_miss_host if not testing.fires("process_environment_read", testing.opened("/proc/1/environ", "O_RDONLY", {}))

test_near_miss_1 if not testing.fires("process_environment_read", testing.opened("/proc/1/status", "O_RDONLY", testing.container))
