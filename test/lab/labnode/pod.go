package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
)

const (
	volumeInterval = 2 * time.Second
	// What a container still has when its preStop hook used the grace up, as in a kubelet.
	minimumGrace = 2 * time.Second
)

type pod struct {
	node       *node
	id         string
	address    string
	namespace  string
	directory  string
	containers []*container

	// Ends when the pod is to end: nothing is started again then.
	ctx      context.Context
	cancel   context.CancelFunc
	killOnce sync.Once
	killed   chan struct{}
	stopOnce sync.Once
	stopped  chan struct{}

	statusChanged chan struct{}

	mu          sync.Mutex
	object      *v1.Pod
	initialized bool
	phase       v1.PodPhase
	message     string
	tokens      map[string]issuedToken
}

func newPod(n *node, object *v1.Pod) *pod {
	id := strings.ReplaceAll(string(object.UID), "-", "")[:8]
	ctx, cancel := context.WithCancel(context.Background())
	p := &pod{
		node: n, id: id, object: object, phase: v1.PodPending,
		namespace: n.prefix + "-" + id,
		directory: filepath.Join(n.directory, "pods", string(object.UID)),
		ctx:       ctx, cancel: cancel,
		killed: make(chan struct{}), stopped: make(chan struct{}), statusChanged: make(chan struct{}, 1),
		tokens: map[string]issuedToken{},
	}
	for _, spec := range object.Spec.InitContainers {
		kind := initContainer
		if spec.RestartPolicy != nil && *spec.RestartPolicy == v1.ContainerRestartPolicyAlways {
			kind = sidecarContainer
		}
		p.containers = append(p.containers, &container{pod: p, spec: spec, kind: kind})
	}
	for _, spec := range object.Spec.Containers {
		p.containers = append(p.containers, &container{pod: p, spec: spec, kind: mainContainer})
	}
	return p
}

func (p *pod) name() string { return p.current().Namespace + "/" + p.current().Name }

func (p *pod) current() *v1.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.object
}

// observe takes a newer version of the object. Its labels and annotations may have changed, or somebody else wrote its status: the
// controller manager does when it thought that this node was gone.
func (p *pod) observe(object *v1.Pod) {
	p.mu.Lock()
	p.object = object
	differs := isReady(object.Status) != isReady(p.statusLocked())
	p.mu.Unlock()
	if differs {
		p.report()
	}
}

func (p *pod) run() {
	go p.reportStatus()
	if !p.untilDone(p.connect) || !p.untilDone(p.mountVolumes) {
		return
	}
	go p.refreshVolumes()
	for _, c := range p.containers {
		if !p.untilDone(c.start) {
			return
		}
		switch c.kind {
		case initContainer:
			if !c.complete() {
				return
			}
		case sidecarContainer:
			go c.supervise(v1.RestartPolicyAlways)
			if !c.awaitStarted() {
				return
			}
		case mainContainer:
			p.setPhase(v1.PodRunning)
			go c.supervise(p.current().Spec.RestartPolicy)
		}
	}
}

// untilDone repeats a step, telling its failure in the status, until it works; false when the pod is to end before.
func (p *pod) untilDone(step func() error) bool {
	for {
		err := step()
		if p.ctx.Err() != nil {
			return false
		}
		if err == nil {
			p.setMessage("")
			return true
		}
		log.Printf("%s: %v", p.name(), err)
		p.setMessage(err.Error())
		if !p.sleep(time.Second) {
			return false
		}
	}
}

// sleep is cut short, and false, when the pod is to end.
func (p *pod) sleep(duration time.Duration) bool {
	select {
	case <-p.ctx.Done():
		return false
	case <-time.After(duration):
		return true
	}
}

func (p *pod) setMessage(message string) {
	p.mu.Lock()
	changed := p.message != message
	p.message = message
	p.mu.Unlock()
	if changed {
		p.report()
	}
}

func (p *pod) setPhase(phase v1.PodPhase) {
	p.mu.Lock()
	p.phase = phase
	p.initialized = p.initialized || phase == v1.PodRunning
	p.mu.Unlock()
	p.report()
}

// connect makes the network namespace. The address is a /32 behind the node's bridge, so that all traffic is routed by the node and
// kube-proxy's connection tracking sees both directions.
func (p *pod) connect() error {
	if p.address == "" {
		// A restarted node keeps its pods' addresses.
		if p.address = p.current().Status.PodIP; p.address == "" {
			address, err := p.node.podAddresses.take()
			if err != nil {
				return err
			}
			p.address = address
		}
	}
	if err := os.MkdirAll(p.directory, 0o755); err != nil {
		return err
	}
	return shell(`
ip netns del "$NS" 2>/dev/null || true
ip link del "$LINK" 2>/dev/null || true
ip netns add "$NS"
ip link add "$LINK" type veth peer name eth0 netns "$NS"
ip link set "$LINK" master br0 up
ip -n "$NS" -batch - <<END
link set lo up
address add $ADDRESS/32 dev eth0
link set eth0 up
route add $GATEWAY dev eth0 scope link
route add default via $GATEWAY
END
nsenter --net="/run/netns/$NS" sysctl -qw net.ipv4.ip_unprivileged_port_start=0
`, "NS="+p.namespace, "LINK="+p.link(), "ADDRESS="+p.address, "GATEWAY="+gatewayOf(p.node.podCIDR))
}

func (p *pod) link() string { return "v" + p.id }

func (p *pod) refreshVolumes() {
	for p.sleep(volumeInterval) {
		if err := p.mountVolumes(); err != nil && p.ctx.Err() == nil {
			log.Printf("%s: %v", p.name(), err)
		}
	}
}

// onContainerEnded ends the sidecars and sets the phase once no other container runs or will run again.
func (p *pod) onContainerEnded() {
	phase := v1.PodSucceeded
	for _, c := range p.containers {
		if c.kind != mainContainer {
			continue
		}
		state := c.snapshot()
		if !state.finished {
			p.report()
			return
		}
		if state.exit != nil && state.exit.code != 0 {
			phase = v1.PodFailed
		}
	}
	p.cancel()
	p.endContainers(time.Duration(*p.current().Spec.TerminationGracePeriodSeconds) * time.Second)
	p.setPhase(phase)
}

// stop ends the pod within the grace, and returns when nothing is left of it. Another call may shorten the grace to nothing.
func (p *pod) stop(grace time.Duration) {
	if grace == 0 {
		p.killOnce.Do(func() { close(p.killed) })
	}
	p.stopOnce.Do(func() {
		p.cancel()
		p.endContainers(grace)
		close(p.stopped)
		if err := shell(`ip netns del "$NS" || true; ip link del "$LINK" 2>/dev/null || true`, "NS="+p.namespace, "LINK="+p.link()); err != nil {
			log.Printf("%s: %v", p.name(), err)
		}
		if err := os.RemoveAll(p.directory); err != nil {
			log.Printf("%s: %v", p.name(), err)
		}
		p.node.podAddresses.release(p.address)
	})
}

// endContainers runs all preStop hooks at once, then ends the main containers, then the sidecars in the reverse order of their start.
func (p *pod) endContainers(grace time.Duration) {
	deadline := time.Now().Add(grace)
	var all sync.WaitGroup
	var mains sync.WaitGroup
	next := &mains
	for i := len(p.containers) - 1; i >= 0; i-- {
		c := p.containers[i]
		if c.kind == mainContainer {
			mains.Add(1)
			all.Go(func() { defer mains.Done(); c.end(deadline, nil) })
			continue
		}
		turn, done := next, &sync.WaitGroup{}
		done.Add(1)
		next = done
		all.Go(func() { defer done.Done(); c.end(deadline, turn) })
	}
	all.Wait()
}

func (p *pod) find(name string) (*container, error) {
	for _, c := range p.containers {
		if c.spec.Name == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("no container %s", name)
}
