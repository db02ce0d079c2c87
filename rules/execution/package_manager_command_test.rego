package tocsin.tests.package_manager_command

import data.tocsin.rules.package_manager_command as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/bin/apt-get", ["apt-get", "update", "-o", "APT::Update::Pre-Invoke::=/bin/sh"], {}))

test_match_2 if fires(testing.executed("/usr/bin/rpm", ["rpm", "--eval", "%{lua:os.execute('/bin/sh')}"], testing.container))

test_match_3 if fires(testing.executed("/usr/bin/dpkg", ["dpkg", "--pre-invoke=/bin/sh", "-i", "x.deb"], {}))

test_evasion_small_letters if fires(testing.executed("/usr/bin/apt-get", ["apt-get", "update", "-oapt::update::pre-invoke::=/bin/sh"], {}))

test_near_miss_install if not fires(testing.executed("/usr/bin/apt-get", ["apt-get", "install", "-y", "nginx"], {}))

test_near_miss_option if not fires(testing.executed("/usr/bin/apt-get", ["apt-get", "-o", "Debug::pkgProblemResolver=yes", "update"], {}))
