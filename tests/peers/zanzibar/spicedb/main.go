// SpiceDB with its in-memory store: the same model (translated) and tuples, asked over a connection in memory and by gRPC
// over loopback, with its dispatch cache and without.
package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"github.com/authzed/spicedb/pkg/cmd/datastore"
	"github.com/authzed/spicedb/pkg/cmd/server"
	"github.com/authzed/spicedb/pkg/cmd/util"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"waddle.example/zanzibar/load"
)

func main() {
	w := load.Read()
	if len(os.Args) > 2 && os.Args[2] == "schema" {
		schema, _ := translate(w.Model)
		fmt.Print(schema)
		return
	}
	for _, way := range []string{"in process", "loopback gRPC"} {
		for _, cached := range []bool{false, true} {
			run(w, way, cached)
		}
	}
}

var odd = regexp.MustCompile(`[^a-zA-Z0-9/_|=+-]`)

func id(text string) string { return odd.ReplaceAllString(text, "_") }

func object(text string) *v1.ObjectReference {
	kind, rest, _ := strings.Cut(text, ":")
	return &v1.ObjectReference{ObjectType: kind, ObjectId: id(rest)}
}

func subject(text string) *v1.SubjectReference {
	of, relation, _ := strings.Cut(text, "#")
	reference := object(of)
	if strings.HasSuffix(of, ":*") {
		reference.ObjectId = "*"
	}
	return &v1.SubjectReference{Object: reference, OptionalRelation: relation}
}

func run(w load.Workload, way string, cached bool) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	cache := "off"
	if cached {
		cache = "on"
	}
	const address = "127.0.0.1:39177"
	listen := util.GRPCServerConfig{Network: util.BufferedNetwork, Enabled: true}
	if way != "in process" {
		listen = util.GRPCServerConfig{Network: "tcp", Address: address, Enabled: true}
	}
	store, err := datastore.NewDatastore(ctx, datastore.DefaultDatastoreConfig().ToOption(), datastore.WithEngine("memory"),
		datastore.WithRevisionQuantization(5*time.Second), datastore.WithGCWindow(24*time.Hour))
	load.Must(err)
	dispatch := server.CacheConfig{Name: "dispatch", Enabled: cached, NumCounters: 1_000_000, MaxCost: "1GiB"}
	s, err := server.NewConfigWithOptionsAndDefaults(
		server.WithGRPCServer(listen),
		server.WithGRPCAuthFunc(func(ctx context.Context) (context.Context, error) { return ctx, nil }),
		server.WithHTTPGateway(util.HTTPServerConfig{HTTPEnabled: false}),
		server.WithMetricsAPI(util.HTTPServerConfig{HTTPEnabled: false}),
		server.WithDispatchServer(util.GRPCServerConfig{Enabled: false}),
		server.WithDispatchCacheConfig(dispatch),
		server.WithClusterDispatchCacheConfig(server.CacheConfig{Enabled: false}),
		server.WithNamespaceCacheConfig(server.CacheConfig{Name: "namespace", Enabled: true, NumCounters: 1000, MaxCost: "32MiB"}),
		server.WithDispatchMaxDepth(50),
		server.WithMaximumUpdatesPerWrite(1000),
		server.WithSilentlyDisableTelemetry(true),
		server.WithDisableGRPCLatencyHistogram(true),
		server.WithDatastore(store),
	).Complete(ctx)
	load.Must(err)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	defer func() { stop(); <-done }()
	var connection *grpc.ClientConn
	if way == "in process" {
		connection, err = s.GRPCDialContext(ctx)
	} else {
		connection, err = grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	}
	load.Must(err)
	defer connection.Close()
	schema, stored := translate(w.Model)
	_, err = v1.NewSchemaServiceClient(connection).WriteSchema(ctx, &v1.WriteSchemaRequest{Schema: schema})
	load.Must(err)
	client := v1.NewPermissionsServiceClient(connection)
	for i := 0; i < len(w.Tuples); i += 1000 {
		var updates []*v1.RelationshipUpdate
		for _, t := range w.Tuples[i:min(i+1000, len(w.Tuples))] {
			kind, _, _ := strings.Cut(t.Object, ":")
			updates = append(updates, &v1.RelationshipUpdate{Operation: v1.RelationshipUpdate_OPERATION_TOUCH,
				Relationship: &v1.Relationship{Resource: object(t.Object), Relation: stored[kind+"#"+t.Relation],
					Subject: subject(t.Subject)}})
		}
		_, err := client.WriteRelationships(ctx, &v1.WriteRelationshipsRequest{Updates: updates})
		load.Must(err)
	}
	// Older than the revision window, so that what may be cached is.
	time.Sleep(6 * time.Second)
	consistency := &v1.Consistency{Requirement: &v1.Consistency_MinimizeLatency{MinimizeLatency: true}}
	for _, asking := range []int{1, 8} {
		w.Measure("SpiceDB", way, cache, asking, func(q load.Question) (bool, error) {
			answer, err := client.CheckPermission(ctx, &v1.CheckPermissionRequest{Consistency: consistency,
				Resource: object(q.Object), Permission: q.Relation, Subject: subject(q.Subject)})
			return answer.GetPermissionship() == v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION, err
		})
	}
}
