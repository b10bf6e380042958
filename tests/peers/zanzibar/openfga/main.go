// OpenFGA with its in-memory store: the same model and tuples, asked by a function call in one process and by gRPC over
// loopback, with its query cache and without.
package main

import (
	"context"
	"net"
	"strings"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"github.com/openfga/language/pkg/go/transformer"
	"github.com/openfga/openfga/pkg/server"
	"github.com/openfga/openfga/pkg/storage/memory"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"waddle.example/zanzibar/load"
)

// subject has one colon only, as OpenFGA wants it.
func subject(text string) string {
	kind, id, _ := strings.Cut(text, ":")
	return kind + ":" + strings.ReplaceAll(id, ":", "_")
}

func main() {
	w := load.Read()
	for _, cached := range []bool{false, true} {
		run(w, cached)
	}
}

func run(w load.Workload, cached bool) {
	ctx := context.Background()
	cache := "off"
	options := []server.OpenFGAServiceV1Option{
		server.WithDatastore(memory.New(memory.WithMaxTuplesPerWrite(1000))),
		server.WithResolveNodeLimit(25),
	}
	if cached {
		cache = "on"
		options = append(options, server.WithCheckQueryCacheEnabled(true), server.WithCheckCacheLimit(1_000_000),
			server.WithCheckQueryCacheTTL(time.Minute), server.WithCheckIteratorCacheEnabled(true))
	}
	s := server.MustNewServerWithOpts(options...)
	defer s.Close()
	store, err := s.CreateStore(ctx, &openfgav1.CreateStoreRequest{Name: "waddle"})
	load.Must(err)
	model, err := transformer.TransformDSLToProto(w.Model)
	load.Must(err)
	written, err := s.WriteAuthorizationModel(ctx, &openfgav1.WriteAuthorizationModelRequest{
		StoreId: store.GetId(), SchemaVersion: model.GetSchemaVersion(), TypeDefinitions: model.GetTypeDefinitions(),
	})
	load.Must(err)
	for i := 0; i < len(w.Tuples); i += 100 {
		var keys []*openfgav1.TupleKey
		for _, t := range w.Tuples[i:min(i+100, len(w.Tuples))] {
			keys = append(keys, &openfgav1.TupleKey{Object: t.Object, Relation: t.Relation, User: subject(t.Subject)})
		}
		_, err := s.Write(ctx, &openfgav1.WriteRequest{StoreId: store.GetId(),
			AuthorizationModelId: written.GetAuthorizationModelId(),
			Writes:               &openfgav1.WriteRequestWrites{TupleKeys: keys}})
		load.Must(err)
	}
	request := func(q load.Question) *openfgav1.CheckRequest {
		return &openfgav1.CheckRequest{StoreId: store.GetId(), AuthorizationModelId: written.GetAuthorizationModelId(),
			TupleKey: &openfgav1.CheckRequestTupleKey{Object: q.Object, Relation: q.Relation, User: subject(q.Subject)}}
	}
	for _, asking := range []int{1, 8} {
		w.Measure("OpenFGA", "in process", cache, asking, func(q load.Question) (bool, error) {
			answer, err := s.Check(ctx, request(q))
			return answer.GetAllowed(), err
		})
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	load.Must(err)
	over := grpc.NewServer()
	openfgav1.RegisterOpenFGAServiceServer(over, s)
	go over.Serve(listener)
	defer over.Stop()
	connection, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	load.Must(err)
	client := openfgav1.NewOpenFGAServiceClient(connection)
	for _, asking := range []int{1, 8} {
		w.Measure("OpenFGA", "loopback gRPC", cache, asking, func(q load.Question) (bool, error) {
			answer, err := client.Check(ctx, request(q))
			return answer.GetAllowed(), err
		})
	}
}
