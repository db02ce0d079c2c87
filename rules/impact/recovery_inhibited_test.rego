package tocsin.tests.recovery_inhibited

import data.tocsin.testing

test_match_1 if testing.fires("recovery_inhibited", testing.executed("/usr/sbin/zfs", ["zfs", "destroy", "-r", "pool@x"], {}))

test_match_2 if testing.fires("recovery_inhibited", testing.executed("/usr/sbin/lvm", ["lvremove", "-f", "vg/snap"], {}))

test_evasion_order if testing.fires("recovery_inhibited", testing.executed("/usr/bin/restic", ["/usr/bin/restic", "-r", "/x", "forget", "--prune", "latest"], {}))

test_near_miss_list if not testing.fires("recovery_inhibited", testing.executed("/usr/sbin/zfs", ["/usr/sbin/zfs", "list"], {}))

test_near_miss_name if not testing.fires("recovery_inhibited", testing.executed("/usr/bin/xyzfs", ["/usr/bin/xyzfs", "destroy"], {}))
