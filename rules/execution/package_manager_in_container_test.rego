package tocsin.tests.package_manager_in_container

import data.tocsin.testing

test_match_1 if testing.fires("package_manager_in_container", testing.executed("/usr/bin/apt-get", ["/usr/bin/apt-get", "install", "nmap"], testing.container))

test_match_2 if testing.fires("package_manager_in_container", testing.executed("/sbin/apk", ["/sbin/apk", "add", "curl"], testing.container))

test_evasion_other_argv0 if testing.fires("package_manager_in_container", testing.executed("/usr/bin/apt-get", ["-x", "install", "nmap"], testing.container))

test_evasion_other_directory if testing.fires("package_manager_in_container", testing.executed("/opt/.x/usr/bin/apt-get", ["/usr/bin/apt-get", "install", "nmap"], testing.container))

test_near_miss_1 if not testing.fires("package_manager_in_container", testing.executed("/usr/bin/apt-cache", ["/usr/bin/apt-cache"], testing.container))

test_near_miss_2 if not testing.fires("package_manager_in_container", testing.executed("/usr/bin/aptx", ["/usr/bin/aptx"], testing.container))

test_near_miss_host if not testing.fires("package_manager_in_container", testing.executed("/usr/bin/apt-get", ["/usr/bin/apt-get", "install", "nmap"], {}))
