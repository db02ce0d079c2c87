package tocsin.tests.audit_config_write

import data.tocsin.testing

test_match_1 if testing.fires("audit_config_write", testing.opened("/etc/audit/rules.d/audit.rules", "O_WRONLY|O_CREAT", {}))

test_match_2 if testing.fires("audit_config_write", testing.opened("/etc/falco/falco.yaml", "O_WRONLY|O_CREAT", {}))

test_match_in_container if testing.fires("audit_config_write", testing.opened("/etc/audit/rules.d/audit.rules", "O_WRONLY|O_CREAT", testing.container))

test_evasion_renamed_into_place if testing.fires("audit_config_write", testing.renamed("/tmp/x", "/etc/audit/rules.d/audit.rules", {}))

test_evasion_link_into_place if testing.fires("audit_config_write", testing.linked("/etc/falco/falco.yaml", "/tmp/x", {}))

test_evasion_truncated_while_reading if testing.fires("audit_config_write", testing.opened("/etc/audit/rules.d/audit.rules", "O_RDONLY|O_TRUNC", {}))

test_near_miss_read if not testing.fires("audit_config_write", testing.opened("/etc/audit/rules.d/audit.rules", "O_RDONLY|O_CLOEXEC", {}))

test_near_miss_1 if not testing.fires("audit_config_write", testing.opened("/etc/auditx", "O_WRONLY|O_CREAT", {}))

test_near_miss_package_manager if not testing.fires("audit_config_write", testing.opened("/etc/audit/rules.d/audit.rules", "O_WRONLY|O_CREAT", testing.by("/usr/bin/dpkg")))

test_near_miss_package_script if not testing.fires("audit_config_write", testing.opened("/etc/audit/rules.d/audit.rules", "O_WRONLY|O_CREAT", testing.child_of("/usr/bin/dpkg")))

test_near_miss_augenrules if not testing.fires("audit_config_write", testing.opened("/etc/audit/audit.rules", "O_WRONLY|O_CREAT", testing.by("/usr/sbin/auditd")))
