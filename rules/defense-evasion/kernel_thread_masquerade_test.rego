package tocsin.tests.kernel_thread_masquerade

import data.tocsin.testing

test_match_1 if testing.fires("kernel_thread_masquerade", testing.executed("/tmp/x", ["[kworker/0:1]"], {}))

test_match_2 if testing.fires("kernel_thread_masquerade", testing.executed("/usr/bin/perl", ["[kthreadd]"], testing.container))

test_evasion_open_bracket if testing.fires("kernel_thread_masquerade", testing.executed("/tmp/x", ["[migration/0"], {}))

test_near_miss_test if not testing.fires("kernel_thread_masquerade", testing.executed("/usr/bin/[", ["[", "-f", "x", "]"], {}))

test_near_miss_1 if not testing.fires("kernel_thread_masquerade", testing.executed("/usr/bin/kworker", ["kworker"], {}))
