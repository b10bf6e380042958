package main

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	direct = regexp.MustCompile(`\[[^\]]*\]`)
	from   = regexp.MustCompile(`([a-z_]+) from ([a-z_]+)`)
)

// own is the name in SpiceDB of the tuples of a relation that has a rewrite too.
func own(relation string) string { return relation + "_given" }

// long is the name in SpiceDB of a type: three characters at least. No tuple here is of such a type.
func long(kind string) string {
	if len(kind) < 3 {
		return kind + "_type"
	}
	return kind
}

// translate writes OpenFGA's modelling language as SpiceDB's: relations have tuples, permissions have rewrites, and a
// relation that has both becomes one of each. `stored` has the relations of each type that tuples are written to.
func translate(model string) (schema string, stored map[string]string) {
	stored = map[string]string{}
	var out strings.Builder
	kind := ""
	for line := range strings.Lines(model) {
		line, _, _ = strings.Cut(line, " #")
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "type ") {
			if kind != "" {
				out.WriteString("}\n")
			}
			kind = strings.TrimPrefix(line, "type ")
			fmt.Fprintf(&out, "definition %s {\n", long(kind))
		}
		define, found := strings.CutPrefix(line, "define ")
		if !found {
			continue
		}
		name, rule, _ := strings.Cut(define, ":")
		name, rule = strings.TrimSpace(name), strings.TrimSpace(rule)
		if list := direct.FindString(rule); list != "" {
			types := strings.ReplaceAll(strings.Trim(list, "[]"), ",", " |")
			relation := name
			if rule != list {
				relation = own(name)
				rule = strings.Replace(rule, list, relation, 1)
			} else {
				rule = ""
			}
			stored[kind+"#"+name] = relation
			fmt.Fprintf(&out, "  relation %s: %s\n", relation, types)
		}
		if rule != "" {
			rule = from.ReplaceAllString(rule, "$2->$1")
			rule = strings.NewReplacer(" or ", " + ", " and ", " & ", " but not ", " - ").Replace(rule)
			fmt.Fprintf(&out, "  permission %s = %s\n", name, rule)
		}
	}
	out.WriteString("}\n")
	return out.String(), stored
}
