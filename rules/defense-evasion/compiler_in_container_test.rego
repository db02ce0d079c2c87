package tocsin.tests.compiler_in_container

import data.tocsin.testing

test_match_1 if testing.fires("compiler_in_container", testing.executed("/usr/bin/gcc", ["/usr/bin/gcc", "x.c"], testing.container))

test_match_2 if testing.fires("compiler_in_container", testing.executed("/usr/bin/cc", ["/usr/bin/cc", "-o", "x"], testing.container))

test_evasion_other_argv0 if testing.fires("compiler_in_container", testing.executed("/usr/bin/gcc", ["-x", "x.c"], testing.container))

test_evasion_other_directory if testing.fires("compiler_in_container", testing.executed("/opt/.x/usr/bin/gcc", ["/usr/bin/gcc", "x.c"], testing.container))

test_near_miss_1 if not testing.fires("compiler_in_container", testing.executed("/usr/bin/gccx", ["/usr/bin/gccx"], testing.container))

test_near_miss_2 if not testing.fires("compiler_in_container", testing.executed("/usr/bin/make", ["/usr/bin/make"], testing.container))

test_near_miss_host if not testing.fires("compiler_in_container", testing.executed("/usr/bin/gcc", ["/usr/bin/gcc", "x.c"], {}))
