package store

import (
	"database/sql/driver"
	"errors"
	"regexp"
	"sync"

	"modernc.org/sqlite"
)

// SQLite asks the application for REGEXP. Go's expressions take linear time, whatever a user writes.
func init() {
	var cache sync.Map
	sqlite.MustRegisterDeterministicScalarFunction("regexp", 2, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		pattern, ok1 := args[0].(string)
		text, ok2 := args[1].(string)
		if !ok1 || !ok2 {
			return nil, errors.New("REGEXP takes texts")
		}
		re, ok := cache.Load(pattern)
		if !ok {
			compiled, err := regexp.Compile(pattern)
			if err != nil {
				return nil, err
			}
			cache.Clear() // one query has few; nothing piles up
			cache.Store(pattern, compiled)
			re = compiled
		}
		return re.(*regexp.Regexp).MatchString(text), nil
	})
}
