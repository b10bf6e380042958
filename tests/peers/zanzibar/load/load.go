// Package load reads the workload that every engine gets, asks its questions and prints what they cost.
package load

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Tuple is object#relation@subject.
type Tuple struct{ Object, Relation, Subject string }

// Question is a check and what it must answer.
type Question struct {
	Tuple
	Allowed bool
}

// Workload is a directory with model.fga, tuples.txt and checks.txt (`+` or `-`, a space, a tuple).
type Workload struct {
	Model     string
	Tuples    []Tuple
	Questions []Question
}

func parse(text string) Tuple {
	object, rest, _ := strings.Cut(text, "#")
	relation, subject, _ := strings.Cut(rest, "@")
	return Tuple{object, relation, subject}
}

func lines(path string) []string {
	file, err := os.Open(path)
	Must(err)
	defer file.Close()
	var out []string
	for s := bufio.NewScanner(file); s.Scan(); {
		out = append(out, s.Text())
	}
	return out
}

// Read reads the directory that the first argument names.
func Read() Workload {
	dir := os.Args[1]
	model, err := os.ReadFile(filepath.Join(dir, "model.fga"))
	Must(err)
	w := Workload{Model: string(model)}
	for _, l := range lines(filepath.Join(dir, "tuples.txt")) {
		w.Tuples = append(w.Tuples, parse(l))
	}
	for _, l := range lines(filepath.Join(dir, "checks.txt")) {
		w.Questions = append(w.Questions, Question{parse(l[2:]), l[0] == '+'})
	}
	return w
}

// Must ends the program on an error.
func Must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Result is one line of output.
type Result struct {
	System string  `json:"system"`
	Way    string  `json:"way"`
	Cache  string  `json:"cache"`
	Tuples int     `json:"tuples"`
	Asking int     `json:"asking"`
	Checks int     `json:"checks"`
	Mean   float64 `json:"mean_us"`
	P50    float64 `json:"p50_us"`
	P99    float64 `json:"p99_us"`
	Rate   float64 `json:"per_second"`
}

// Measure asks with `asking` questions in flight for a bounded time, after one round, or as much of it as twenty seconds allow. A wrong answer ends it.
func (w Workload) Measure(system, way, cache string, asking int, ask func(Question) (bool, error)) {
	var next atomic.Int64
	one := func(i int64) time.Duration {
		q := w.Questions[int(i)%len(w.Questions)]
		start := time.Now()
		got, err := ask(q)
		took := time.Since(start)
		Must(err)
		if got != q.Allowed {
			Must(fmt.Errorf("%s: %v: %v", system, q, got))
		}
		return took
	}
	warm := time.Now().Add(20 * time.Second)
	for i := 0; i < len(w.Questions) && time.Now().Before(warm); i++ {
		one(int64(i))
	}
	const atMost = 2_000_000
	end := time.Now().Add(3 * time.Second)
	var all []time.Duration
	var lock sync.Mutex
	var wait sync.WaitGroup
	start := time.Now()
	for range asking {
		wait.Go(func() {
			var mine []time.Duration
			for len(mine) < atMost && time.Now().Before(end) {
				mine = append(mine, one(next.Add(1)))
			}
			lock.Lock()
			all = append(all, mine...)
			lock.Unlock()
		})
	}
	wait.Wait()
	took := time.Since(start)
	slices.Sort(all)
	var sum time.Duration
	for _, d := range all {
		sum += d
	}
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	line, err := json.Marshal(Result{system, way, cache, len(w.Tuples), asking, len(all), us(sum) / float64(len(all)),
		us(all[len(all)/2]), us(all[len(all)*99/100]), float64(len(all)) / took.Seconds()})
	Must(err)
	fmt.Println(string(line))
}
