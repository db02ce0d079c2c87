package tocsin.tests.account_file_write

import data.tocsin.testing

test_match_1 if testing.fires("account_file_write", testing.opened("/etc/passwd", "O_WRONLY|O_APPEND", {}))

test_match_2 if testing.fires("account_file_write", testing.opened("/etc/shadow", "O_RDWR", testing.container))

test_evasion_renamed_into_place if testing.fires("account_file_write", testing.renamed("/tmp/x", "/etc/passwd", {}))

test_evasion_borrowed_comm if testing.fires("account_file_write", testing.opened("/etc/passwd", "O_WRONLY", object.union(testing.by("/tmp/useradd"), {"processName": "useradd"})))

test_near_miss_read if not testing.fires("account_file_write", testing.opened("/etc/passwd", "O_RDONLY", {}))

test_near_miss_useradd if not testing.fires("account_file_write", testing.renamed("/tmp/x", "/etc/passwd", testing.by("/usr/sbin/useradd")))

test_near_miss_1 if not testing.fires("account_file_write", testing.opened("/etc/passwd.txt", "O_WRONLY|O_CREAT", {}))
