// Command labnode is the kubelet, the scheduler and the container runtime of one node of the lab, in one process.
//
// It runs inside the node's network namespace. Of several nodes of a cluster each takes the pods that select it by its host name, and the first
// one also those that select none. A pod is a network namespace of its own with an address of the node's pod CIDR; a
// container is a process of this machine with mount, PID and UTS namespaces of its own over a writable copy of the machine's files.
// A table maps the names of images to programs of this machine.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

type options struct {
	kubeconfig  string
	name        string
	isFirst     bool
	address     string
	labels      map[string]string
	podCIDR     *net.IPNet
	lbCIDR      *net.IPNet
	dns         string
	directory   string
	prefix      string
	tokenMaxAge time.Duration
}

func main() {
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	o, images, err := parseOptions()
	if err != nil {
		log.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		log.Fatal(err)
	}
	config.QPS, config.Burst = 500, 1000
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := newNode(o, client, images).run(ctx); err != nil {
		log.Fatal(err)
	}
}

func parseOptions() (options, imageTable, error) {
	o := options{labels: map[string]string{}}
	flag.StringVar(&o.kubeconfig, "kubeconfig", "", "how to reach the API server")
	flag.StringVar(&o.name, "node", "", "name of the node")
	flag.BoolVar(&o.isFirst, "first", true, "it is the one that takes pods which select no node, and gives Services their addresses")
	flag.StringVar(&o.address, "address", "", "address of the node inside its network namespace")
	flag.StringVar(&o.dns, "dns", "", "name server of the pods")
	flag.StringVar(&o.directory, "directory", "", "where volumes, logs and root file systems are kept")
	flag.StringVar(&o.prefix, "prefix", "", "what names of pods' network namespaces start with")
	flag.DurationVar(&o.tokenMaxAge, "token-max-age", time.Minute, "projected service account tokens are replaced when this old")
	labels := flag.String("labels", "{}", "JSON: more labels of the node")
	podCIDR := flag.String("pod-cidr", "", "addresses of pods; the first one is the node's own on the pods' bridge")
	lbCIDR := flag.String("load-balancer-cidr", "", "addresses of Services of type LoadBalancer")
	imagesFile := flag.String("images", "", "JSON: name of an image to its program")
	flag.Parse()

	var images imageTable
	var err error
	if _, o.podCIDR, err = net.ParseCIDR(*podCIDR); err != nil {
		return o, nil, fmt.Errorf("-pod-cidr: %w", err)
	}
	if _, o.lbCIDR, err = net.ParseCIDR(*lbCIDR); err != nil {
		return o, nil, fmt.Errorf("-load-balancer-cidr: %w", err)
	}
	if err := json.Unmarshal([]byte(*labels), &o.labels); err != nil {
		return o, nil, fmt.Errorf("-labels: %w", err)
	}
	text, err := os.ReadFile(*imagesFile)
	if err != nil {
		return o, nil, err
	}
	if err := json.Unmarshal(text, &images); err != nil {
		return o, nil, fmt.Errorf("%s: %w", *imagesFile, err)
	}
	return o, images, nil
}
