package tocsin.tests.crypto_miner

import data.tocsin.testing

test_match_1 if testing.fires("crypto_miner", testing.executed("/tmp/x", ["/tmp/x", "-o", "stratum+tcp://pool.example:3333"], {}))

test_match_2 if testing.fires("crypto_miner", testing.executed("/usr/bin/xmrig", ["/usr/bin/xmrig"], testing.container))

test_evasion_renamed if testing.fires("crypto_miner", testing.executed("/tmp/kworker", ["/tmp/kworker", "--url", "stratum+ssl://203.0.113.5:443"], {}))

test_near_miss_1 if not testing.fires("crypto_miner", testing.executed("/usr/bin/ssh", ["/usr/bin/ssh", "-o", "StrictHostKeyChecking=no"], {}))

test_near_miss_name if not testing.fires("crypto_miner", testing.executed("/usr/bin/xmrig-proxyd", ["/usr/bin/xmrig-proxyd"], {}))
