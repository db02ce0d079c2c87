package enrich

import (
	"os/user"
	"strconv"
)

// users remembers the names of user ids. A name that is changed while the sensor runs is seen after forget entries.
type users struct {
	names map[uint32]string
	asked int
}

const forget = 4096

// name returns the user's name on this host, empty when there is none. Ids in containers belong to other user
// databases: only root's is known.
func (u *users) name(uid uint32, inContainer bool) string {
	if inContainer {
		if uid == 0 {
			return "root"
		}
		return ""
	}
	if u.names == nil || u.asked >= forget {
		u.names, u.asked = map[uint32]string{}, 0
	}
	u.asked++
	name, ok := u.names[uid]
	if !ok {
		if found, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil {
			name = found.Username
		}
		u.names[uid] = name
	}
	return name
}
