package tocsin.tests.desktop_autostart_write

import data.tocsin.rules.desktop_autostart_write as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/home/bob/.config/autostart/x.desktop", "O_WRONLY|O_CREAT", {}))

test_match_2 if fires(testing.opened("/etc/xdg/autostart/x.desktop", "O_WRONLY|O_CREAT", {}))

test_match_in_container if fires(testing.opened("/home/bob/.config/autostart/x.desktop", "O_WRONLY|O_CREAT", testing.container))

test_evasion_renamed_into_place if fires(testing.renamed("/tmp/x", "/home/bob/.config/autostart/x.desktop", {}))

test_evasion_link_into_place if fires(testing.linked("/etc/xdg/autostart/x.desktop", "/tmp/x", {}))

test_evasion_truncated_while_reading if fires(testing.opened("/home/bob/.config/autostart/x.desktop", "O_RDONLY|O_TRUNC", {}))

test_near_miss_read if not fires(testing.opened("/home/bob/.config/autostart/x.desktop", "O_RDONLY|O_CLOEXEC", {}))

test_near_miss_1 if not fires(testing.opened("/home/bob/.config/autostart.txt", "O_WRONLY|O_CREAT", {}))

test_near_miss_package_manager if not fires(testing.opened("/home/bob/.config/autostart/x.desktop", "O_WRONLY|O_CREAT", testing.by("/usr/bin/dpkg")))

test_near_miss_package_script if not fires(testing.opened("/home/bob/.config/autostart/x.desktop", "O_WRONLY|O_CREAT", testing.child_of("/usr/bin/dpkg")))
