# A Go project is built and tested.
mkdir -p /srv/go && cd /srv/go
export GOCACHE=/srv/gocache GOFLAGS=-mod=mod CGO_ENABLED=0 GOTOOLCHAIN=local GOPROXY=off
export PATH=$PATH:/usr/local/go/bin
cat > go.mod <<'X'
module example.com/noise
go 1.24
X
cat > main.go <<'X'
package main
import ("fmt"; "net/http"; "encoding/json")
func main() { b, _ := json.Marshal(http.Header{}); fmt.Println(string(b)) }
X
cat > main_test.go <<'X'
package main
import ("testing"; "os/exec")
func TestMain1(t *testing.T) { if err := exec.Command("true").Run(); err != nil { t.Fatal(err) } }
X
go build ./...
go vet ./...
go test ./...
go run .
