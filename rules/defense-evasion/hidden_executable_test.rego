package tocsin.tests.hidden_executable

import data.tocsin.testing

test_match_1 if testing.fires("hidden_executable", testing.executed("/tmp/.X11-unix/a", ["/tmp/.X11-unix/a"], {}))

test_match_2 if testing.fires("hidden_executable", testing.executed("/dev/shm/.x", ["/dev/shm/.x"], testing.container))

test_evasion_deep if testing.fires("hidden_executable", testing.executed("/var/tmp/a/.b/c", ["/var/tmp/a/.b/c"], {}))

test_evasion_three_dots if testing.fires("hidden_executable", testing.executed("/tmp/.../x", ["/tmp/.../x"], {}))

test_near_miss_visible if not testing.fires("hidden_executable", testing.executed("/tmp/a/b", ["/tmp/a/b"], {}))

test_near_miss_home if not testing.fires("hidden_executable", testing.executed("/home/bob/.local/bin/x", ["/home/bob/.local/bin/x"], {}))
