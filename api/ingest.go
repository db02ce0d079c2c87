package api

const maxIngest = 16 << 20 // bytes of one request with findings
