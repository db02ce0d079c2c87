package simulate

// inPrivateRoot makes a simulation of one step in a private root on the host: see root.
func inPrivateRoot(rule, does string, files map[string]string, step string, args ...string) Simulation {
	return Simulation{Rule: rule, Does: does, Needs: []Need{Root, Static}, run: func(e *env) error { return e.inRoot(files, nil, step, args...) }}
}

var fileSimulations = []Simulation{
	inPrivateRoot("shadow_file_read", "Opens /etc/shadow in a private root, where it is an empty file.",
		map[string]string{"/etc/shadow": ""}, "open-for-reading", "/etc/shadow"),
	inPrivateRoot("scheduled_task_write", "Writes /etc/cron.d/simulation in a private root, where no cron looks.",
		map[string]string{"/etc/cron.d/": ""}, "write-file", "/etc/cron.d/simulation"),
}
