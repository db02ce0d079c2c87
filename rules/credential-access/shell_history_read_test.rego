package tocsin.tests.shell_history_read

import data.tocsin.testing

test_match_1 if testing.fires("shell_history_read", testing.opened("/root/.bash_history", "O_RDONLY", testing.by("/usr/bin/cat")))

test_match_2 if testing.fires("shell_history_read", testing.opened("/home/bob/.mysql_history", "O_RDONLY", testing.container))

test_evasion_name if testing.fires("shell_history_read", testing.opened("/root/.zsh_history", "O_RDONLY", testing.by("/tmp/bashx")))

test_near_miss_bash if not testing.fires("shell_history_read", testing.opened("/root/.bash_history", "O_RDONLY", testing.by("/usr/bin/bash")))

test_near_miss_write if not testing.fires("shell_history_read", testing.opened("/root/.bash_history", "O_WRONLY|O_APPEND", {}))
