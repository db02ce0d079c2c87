package tocsin.tests.encoded_command

import data.tocsin.testing

test_match_1 if testing.fires("encoded_command", testing.executed("/bin/sh", ["/bin/sh", "-c", "echo aWQ= | base64 -d | sh"], {}))

test_match_2 if testing.fires("encoded_command", testing.executed("/usr/bin/python3.11", ["/usr/bin/python3.11", "-c", "exec(__import__('base64').b64decode('aWQ='))"], testing.container))

test_evasion_without_blanks if testing.fires("encoded_command", testing.executed("/bin/bash", ["/bin/bash", "-c", "base64 -d<<<aWQ=|bash"], {}))

test_near_miss_decode if not testing.fires("encoded_command", testing.executed("/bin/sh", ["/bin/sh", "-c", "echo aWQ= | base64 -d > /tmp/x"], {}))

test_near_miss_eval if not testing.fires("encoded_command", testing.executed("/bin/sh", ["/bin/sh", "-c", "eval $(ssh-agent)"], {}))
