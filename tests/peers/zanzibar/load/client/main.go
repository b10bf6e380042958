// Waddle's HTTP API: client WORKLOAD URL TOKEN asks each check as a POST over connections that are kept.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"waddle.example/zanzibar/load"
)

func main() {
	w, url, token := load.Read(), os.Args[2], os.Args[3]
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	for _, asking := range []int{1, 8} {
		w.Measure("Waddle", "loopback HTTP", "on", asking, func(q load.Question) (bool, error) {
			body, err := json.Marshal(map[string]string{"object": q.Object, "relation": q.Relation, "subject": q.Subject})
			if err != nil {
				return false, err
			}
			request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
			if err != nil {
				return false, err
			}
			request.Header.Set("Authorization", "Bearer "+token)
			request.Header.Set("Content-Type", "application/json")
			response, err := client.Do(request)
			if err != nil {
				return false, err
			}
			defer response.Body.Close()
			var answer struct{ Allowed bool }
			if response.StatusCode != http.StatusOK {
				return false, fmt.Errorf("%s", response.Status)
			}
			err = json.NewDecoder(response.Body).Decode(&answer)
			return answer.Allowed, err
		})
	}
}
