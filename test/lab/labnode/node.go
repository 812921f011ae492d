package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"maps"
	"os"
	"sync"
	"time"

	coordination "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

const (
	kubeletPort       = 10250
	leaseNamespace    = "kube-node-lease"
	leaseSeconds      = int32(10)
	heartbeatInterval = time.Second
	// As often as a kubelet: every change of a Node is an event for all who watch nodes.
	statusInterval = 10 * time.Second
	retryInterval  = 500 * time.Millisecond
)

type node struct {
	options
	client        *kubernetes.Clientset
	images        imageTable
	podAddresses  *addressPool
	loadBalancers *addressPool
	services      corelisters.ServiceLister
	configMaps    corelisters.ConfigMapLister
	secrets       corelisters.SecretLister

	mu   sync.Mutex
	pods map[types.UID]*pod
}

func newNode(o options, client *kubernetes.Clientset, images imageTable) *node {
	return &node{
		options: o, client: client, images: images,
		// The first ten are the bridge's own and spares for tests.
		podAddresses:  newAddressPool(o.podCIDR, 10),
		loadBalancers: newAddressPool(o.lbCIDR, 0),
		pods:          map[types.UID]*pod{},
	}
}

// run serves until the context ends; then it ends all of its pods' processes at once, as a machine that is switched off.
func (n *node) run(ctx context.Context) error {
	if err := os.MkdirAll(n.directory, 0o755); err != nil {
		return err
	}
	if err := n.register(ctx); err != nil {
		return err
	}
	if err := n.reserveAddresses(ctx); err != nil {
		return err
	}
	go n.heartbeat(ctx)
	failed := make(chan error, 1)
	go func() { failed <- n.serveKubelet() }()
	n.watch(ctx)
	log.Printf("node %s is up", n.name)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var ending sync.WaitGroup
	for _, p := range n.pods {
		ending.Go(func() { p.stop(0) })
	}
	ending.Wait()
	return nil
}

func (n *node) watch(ctx context.Context) {
	factory := informers.NewSharedInformerFactory(n.client, 0)
	core := factory.Core().V1()
	n.services, n.configMaps, n.secrets = core.Services().Lister(), core.ConfigMaps().Lister(), core.Secrets().Lister()
	services, pods := core.Services().Informer(), core.Pods().Informer()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	_, _ = services.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { n.onService(ctx, o.(*v1.Service)) },
		UpdateFunc: func(_, o any) { n.onService(ctx, o.(*v1.Service)) },
		DeleteFunc: func(o any) { onDeleted(o, n.releaseLoadBalancer) },
	})
	_, _ = pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { n.onPod(ctx, o.(*v1.Pod)) },
		UpdateFunc: func(_, o any) { n.onPod(ctx, o.(*v1.Pod)) },
		DeleteFunc: func(o any) { onDeleted(o, n.onPodGone) },
	})
}

func onDeleted[T any](o any, handle func(T)) {
	if unknown, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = unknown.Obj
	}
	if object, ok := o.(T); ok {
		handle(object)
	}
}

// register makes the Node; the API server may be just starting.
func (n *node) register(ctx context.Context) error {
	labels := map[string]string{v1.LabelHostname: n.name, v1.LabelOSStable: "linux"}
	maps.Copy(labels, n.labels)
	object := &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.name, Labels: labels},
		Spec:       v1.NodeSpec{PodCIDR: n.podCIDR.String(), PodCIDRs: []string{n.podCIDR.String()}},
	}
	for {
		_, err := n.client.CoreV1().Nodes().Create(ctx, object, metav1.CreateOptions{})
		if err == nil || apierrors.IsAlreadyExists(err) {
			if err = n.reportReady(ctx); err == nil {
				return nil
			}
		}
		log.Printf("cannot register yet: %v", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retryInterval):
		}
	}
}

func (n *node) reportReady(ctx context.Context) error {
	now := metav1.Now()
	status := v1.NodeStatus{
		Addresses: []v1.NodeAddress{
			{Type: v1.NodeInternalIP, Address: n.address},
			{Type: v1.NodeHostName, Address: n.name},
		},
		DaemonEndpoints: v1.NodeDaemonEndpoints{KubeletEndpoint: v1.DaemonEndpoint{Port: kubeletPort}},
		Conditions: []v1.NodeCondition{{
			Type: v1.NodeReady, Status: v1.ConditionTrue, Reason: "LabReady", LastHeartbeatTime: now, LastTransitionTime: now,
		}},
		NodeInfo: v1.NodeSystemInfo{KubeletVersion: "v1.36.3-lab", OperatingSystem: "linux", ContainerRuntimeVersion: "lab://netns"},
	}
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return err
	}
	_, err = n.client.CoreV1().Nodes().Patch(ctx, n.name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

// heartbeat renews the node's lease, and its Ready condition now and then or after a time without the API server.
func (n *node) heartbeat(ctx context.Context) {
	reported, ticker := time.Now(), time.NewTicker(heartbeatInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := n.renewLease(ctx); err != nil {
			log.Printf("lease: %v", err)
			reported = time.Time{}
		} else if time.Since(reported) > statusInterval {
			if err := n.reportReady(ctx); err == nil {
				reported = time.Now()
			}
		}
	}
}

func (n *node) renewLease(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(leaseSeconds)*time.Second)
	defer cancel()
	now, seconds := metav1.NowMicro(), leaseSeconds
	leases := n.client.CoordinationV1().Leases(leaseNamespace)
	lease := &coordination.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: n.name},
		Spec:       coordination.LeaseSpec{HolderIdentity: &n.name, LeaseDurationSeconds: &seconds, RenewTime: &now},
	}
	patch, err := json.Marshal(map[string]any{"spec": lease.Spec})
	if err != nil {
		return err
	}
	_, err = leases.Patch(ctx, n.name, types.MergePatchType, patch, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		_, err = leases.Create(ctx, lease, metav1.CreateOptions{})
	}
	return err
}

// reserveAddresses keeps what was given out before a restart.
func (n *node) reserveAddresses(ctx context.Context) error {
	pods, err := n.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + n.name})
	if err != nil {
		return err
	}
	for _, p := range pods.Items {
		n.podAddresses.reserve(p.Status.PodIP)
	}
	services, err := n.client.CoreV1().Services("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, s := range services.Items {
		for _, ingress := range s.Status.LoadBalancer.Ingress {
			n.loadBalancers.reserve(ingress.IP)
		}
	}
	return nil
}

// onService gives a Service of type LoadBalancer its address, as a cloud would.
func (n *node) onService(ctx context.Context, s *v1.Service) {
	if !n.isFirst || s.Spec.Type != v1.ServiceTypeLoadBalancer || s.Spec.LoadBalancerClass != nil || len(s.Status.LoadBalancer.Ingress) > 0 {
		return
	}
	address, err := n.loadBalancers.take()
	if err != nil {
		log.Printf("%s/%s: %v", s.Namespace, s.Name, err)
		return
	}
	patch := fmt.Appendf(nil, `{"status":{"loadBalancer":{"ingress":[{"ip":%q,"ipMode":"VIP"}]}}}`, address)
	if _, err := n.client.CoreV1().Services(s.Namespace).Patch(ctx, s.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
		log.Printf("%s/%s: %v", s.Namespace, s.Name, err)
		n.loadBalancers.release(address)
	}
}

func (n *node) releaseLoadBalancer(s *v1.Service) {
	for _, ingress := range s.Status.LoadBalancer.Ingress {
		n.loadBalancers.release(ingress.IP)
	}
}

func (n *node) onPod(ctx context.Context, object *v1.Pod) {
	if object.Spec.NodeName == "" {
		go n.schedule(ctx, object)
		return
	}
	if object.Spec.NodeName != n.name {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	known := n.pods[object.UID]
	switch {
	case known != nil:
		known.observe(object)
	case object.DeletionTimestamp != nil:
		// Deleted while this program was not running: there is nothing to end.
		go n.confirmDeletion(ctx, object)
	case object.Status.Phase != v1.PodSucceeded && object.Status.Phase != v1.PodFailed:
		known = newPod(n, object)
		n.pods[object.UID] = known
		go known.run()
	}
	if known == nil || object.DeletionTimestamp == nil {
		return
	}
	go func() {
		known.stop(gracePeriod(object))
		n.confirmDeletion(ctx, object)
	}()
}

func gracePeriod(object *v1.Pod) time.Duration {
	if seconds := object.DeletionGracePeriodSeconds; seconds != nil {
		return time.Duration(*seconds) * time.Second
	}
	return 0
}

func (n *node) onPodGone(object *v1.Pod) {
	n.mu.Lock()
	known := n.pods[object.UID]
	delete(n.pods, object.UID)
	n.mu.Unlock()
	if known != nil {
		go known.stop(0)
	}
}

// takes is all there is of scheduling: nodes have room for everything.
func (n *node) takes(object *v1.Pod) bool {
	name, selects := object.Spec.NodeSelector[v1.LabelHostname]
	return name == n.name || (!selects && n.isFirst)
}

func (n *node) schedule(ctx context.Context, object *v1.Pod) {
	if !n.takes(object) {
		return
	}
	if object.DeletionTimestamp != nil || len(object.Spec.SchedulingGates) > 0 || object.Spec.SchedulerName != v1.DefaultSchedulerName {
		return
	}
	binding := &v1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: object.Name, UID: object.UID},
		Target:     v1.ObjectReference{Kind: "Node", Name: n.name},
	}
	n.persist(ctx, "bind "+object.Namespace+"/"+object.Name, func() error {
		return n.client.CoreV1().Pods(object.Namespace).Bind(ctx, binding, metav1.CreateOptions{})
	})
}

// confirmDeletion tells the API server that all of the pod's processes have ended.
func (n *node) confirmDeletion(ctx context.Context, object *v1.Pod) {
	now := int64(0)
	sameUID := metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &object.UID}}
	n.persist(ctx, "delete "+object.Namespace+"/"+object.Name, func() error {
		return n.client.CoreV1().Pods(object.Namespace).Delete(ctx, object.Name, sameUID)
	})
}

// persist repeats a request until the API server has answered it.
func (n *node) persist(ctx context.Context, what string, request func() error) {
	for ctx.Err() == nil {
		err := request()
		var answered apierrors.APIStatus
		if err == nil || (errors.As(err, &answered) && answered.Status().Code < 500 && !apierrors.IsTooManyRequests(err)) {
			if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
				log.Printf("%s: %v", what, err)
			}
			return
		}
		time.Sleep(retryInterval)
	}
}
