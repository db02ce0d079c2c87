package tocsin.tests.process_vm_write

import data.tocsin.testing

write(pid, more) := testing.event("process_vm_writev", {"pid": pid, "liovcnt": 1, "riovcnt": 1, "flags": 0}, more)

test_match if testing.fires("process_vm_write", write(77, {}))

test_match_in_container if testing.fires("process_vm_write", write(1, testing.container))

test_evasion_comm_of_a_debugger if testing.fires("process_vm_write", write(77, {"processName": "gdb"}))

test_near_miss_itself if not testing.fires("process_vm_write", write(4000, {}))

test_near_miss_debugger if not testing.fires("process_vm_write", write(77, testing.by("/usr/bin/gdb")))
