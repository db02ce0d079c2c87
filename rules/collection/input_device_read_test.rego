package tocsin.tests.input_device_read

import data.tocsin.testing

test_match_1 if testing.fires("input_device_read", testing.opened("/dev/input/event0", "O_RDONLY", {}))

test_match_2 if testing.fires("input_device_read", testing.opened("/dev/input/event12", "O_RDWR", testing.container))

test_evasion_non_blocking if testing.fires("input_device_read", testing.opened("/dev/input/event3", "O_RDONLY|O_NONBLOCK", {}))

test_near_miss_logind if not testing.fires("input_device_read", testing.opened("/dev/input/event0", "O_RDWR", testing.by("/usr/lib/systemd/systemd-logind")))

test_near_miss_1 if not testing.fires("input_device_read", testing.opened("/dev/input/mice", "O_RDONLY", {}))
