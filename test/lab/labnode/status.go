package main

import (
	"context"
	"encoding/json"
	"log"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// report has the status written soon; several changes at once are written once.
func (p *pod) report() {
	select {
	case p.statusChanged <- struct{}{}:
	default:
	}
}

// reportStatus writes the newest status until the pod is gone, also after a time without the API server.
func (p *pod) reportStatus() {
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-p.stopped; cancel() }()
	p.report()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.statusChanged:
		}
		p.node.persist(ctx, "status of "+p.name(), func() error { return p.writeStatus(ctx) })
	}
}

func (p *pod) writeStatus(ctx context.Context) error {
	p.mu.Lock()
	status := p.statusLocked()
	p.mu.Unlock()
	object := p.current()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": object.UID}, "status": status})
	if err != nil {
		log.Fatal(err)
	}
	_, err = p.node.client.CoreV1().Pods(object.Namespace).
		Patch(ctx, object.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

func isReady(status v1.PodStatus) bool {
	for _, condition := range status.Conditions {
		if condition.Type == v1.PodReady {
			return condition.Status == v1.ConditionTrue
		}
	}
	return false
}

func (p *pod) statusLocked() v1.PodStatus {
	status := v1.PodStatus{
		Phase:  p.phase,
		HostIP: p.node.address, HostIPs: []v1.HostIP{{IP: p.node.address}},
		StartTime: p.object.Status.StartTime,
	}
	if status.StartTime == nil {
		status.StartTime = &p.object.CreationTimestamp
	}
	if p.address != "" {
		status.PodIP, status.PodIPs = p.address, []v1.PodIP{{IP: p.address}}
	}
	ready := p.initialized && p.phase == v1.PodRunning
	for _, c := range p.containers {
		one := c.status(p.message)
		if c.kind == mainContainer {
			status.ContainerStatuses = append(status.ContainerStatuses, one)
		} else {
			status.InitContainerStatuses = append(status.InitContainerStatuses, one)
		}
		ready = ready && (one.Ready || c.kind == initContainer)
	}
	for kind, holds := range map[v1.PodConditionType]bool{
		v1.PodScheduled: true, v1.PodInitialized: p.initialized, v1.ContainersReady: ready, v1.PodReady: ready,
	} {
		status.Conditions = append(status.Conditions, p.conditionLocked(kind, holds))
	}
	return status
}

// conditionLocked keeps the time of the last transition where there was none.
func (p *pod) conditionLocked(kind v1.PodConditionType, holds bool) v1.PodCondition {
	condition := v1.PodCondition{Type: kind, Status: v1.ConditionFalse, LastTransitionTime: metav1.Now()}
	if holds {
		condition.Status = v1.ConditionTrue
	}
	for _, before := range p.object.Status.Conditions {
		if before.Type == kind && before.Status == condition.Status {
			condition.LastTransitionTime = before.LastTransitionTime
		}
	}
	return condition
}

func (c *container) status(message string) v1.ContainerStatus {
	state := c.snapshot()
	status := v1.ContainerStatus{
		Name: c.spec.Name, Image: c.spec.Image, ImageID: "lab://" + c.spec.Image,
		ContainerID: "lab://" + string(c.pod.object.UID) + "/" + c.spec.Name,
		Ready:       state.ready, Started: &state.started, RestartCount: state.restarts,
	}
	var terminated *v1.ContainerStateTerminated
	if state.exit != nil {
		terminated = &v1.ContainerStateTerminated{ExitCode: state.exit.code, Reason: "Completed", FinishedAt: state.exit.at}
		if state.exit.code != 0 {
			terminated.Reason = "Error"
		}
	}
	switch {
	case state.startedAt != nil:
		status.State.Running = &v1.ContainerStateRunning{StartedAt: *state.startedAt}
		status.LastTerminationState.Terminated = terminated
	case terminated != nil:
		status.State.Terminated = terminated
	case message != "":
		status.State.Waiting = &v1.ContainerStateWaiting{Reason: "CreateContainerError", Message: message}
	default:
		status.State.Waiting = &v1.ContainerStateWaiting{Reason: "ContainerCreating"}
	}
	return status
}
