package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	// Readiness and start are looked at more often than asked, so that tests need not wait.
	readyInterval   = 2 * time.Second
	unreadyInterval = 200 * time.Millisecond
)

// probe watches one run of the container's program.
func (c *container) probe(p *process) {
	go func() {
		if c.spec.StartupProbe != nil && !c.awaitStartup(p, c.spec.StartupProbe) {
			return
		}
		c.change(func(s *containerState) {
			if s.startedAt != nil {
				s.started, s.ready = true, c.spec.ReadinessProbe == nil
			}
		})
		if c.spec.ReadinessProbe != nil {
			go c.watchReadiness(p, c.spec.ReadinessProbe)
		}
		if c.spec.LivenessProbe != nil {
			go c.watchLiveness(p, c.spec.LivenessProbe)
		}
	}()
}

// awaitStartup gives the program as long as the probe allows, then ends it; false when it did not start.
func (c *container) awaitStartup(p *process, probe *v1.Probe) bool {
	allowed := seconds(probe.InitialDelaySeconds, 0) + time.Duration(threshold(probe))*seconds(probe.PeriodSeconds, 10)
	for deadline := time.Now().Add(allowed); ; {
		if c.check(probe) == nil {
			return true
		}
		if time.Now().After(deadline) {
			log.Printf("%s[%s]: the startup probe failed for %s", c.pod.name(), c.spec.Name, allowed)
			c.restart()
			return false
		}
		if !c.pause(p, unreadyInterval) {
			return false
		}
	}
}

// watchReadiness goes on while the pod ends: its endpoints serve until they no longer can.
func (c *container) watchReadiness(p *process, probe *v1.Probe) {
	for {
		ready := c.check(probe) == nil
		c.change(func(s *containerState) { s.ready = ready && s.startedAt != nil })
		wait := unreadyInterval
		if ready {
			wait = min(seconds(probe.PeriodSeconds, 10), readyInterval)
		}
		select {
		case <-p.ended:
			return
		case <-time.After(wait):
		}
	}
}

func (c *container) watchLiveness(p *process, probe *v1.Probe) {
	failures := int32(0)
	if !c.pause(p, seconds(probe.InitialDelaySeconds, 0)) {
		return
	}
	for {
		err := c.check(probe)
		if err == nil {
			failures = 0
		} else if failures++; failures >= threshold(probe) {
			log.Printf("%s[%s]: the liveness probe failed %d times: %v", c.pod.name(), c.spec.Name, failures, err)
			c.restart()
			return
		}
		if !c.pause(p, seconds(probe.PeriodSeconds, 10)) {
			return
		}
	}
}

// pause is false when the program ended or the pod is to end.
func (c *container) pause(p *process, duration time.Duration) bool {
	select {
	case <-p.ended:
		return false
	case <-c.pod.ctx.Done():
		return false
	case <-time.After(duration):
		return true
	}
}

func threshold(probe *v1.Probe) int32 { return max(probe.FailureThreshold, 1) }

func seconds(value, unset int32) time.Duration {
	if value == 0 {
		value = unset
	}
	return time.Duration(value) * time.Second
}

func (c *container) check(probe *v1.Probe) error {
	limit := seconds(probe.TimeoutSeconds, 1)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	switch {
	case probe.HTTPGet != nil:
		return c.get(ctx, probeClient, probe.HTTPGet)
	case probe.TCPSocket != nil:
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.target(probe.TCPSocket.Host, probe.TCPSocket.Port))
		if err == nil {
			_ = connection.Close()
		}
		return err
	case probe.Exec != nil:
		return c.execute(ctx, probe.Exec.Command, nil, io.Discard, io.Discard)
	}
	return fmt.Errorf("the lab does not know this kind of probe")
}

var probeClient = &http.Client{
	Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
}

func (c *container) get(ctx context.Context, client *http.Client, action *v1.HTTPGetAction) error {
	scheme := "http"
	if action.Scheme != "" {
		scheme = strings.ToLower(string(action.Scheme))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+c.target(action.Host, action.Port)+action.Path, nil)
	if err != nil {
		return err
	}
	for _, header := range action.HTTPHeaders {
		request.Header.Set(header.Name, header.Value)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode >= 400 {
		return fmt.Errorf("%s", response.Status)
	}
	return nil
}

func (c *container) target(host string, port intstr.IntOrString) string {
	if host == "" {
		host = c.pod.address
	}
	number := port.IntValue()
	for _, named := range c.spec.Ports {
		if port.Type == intstr.String && named.Name == port.StrVal {
			number = int(named.ContainerPort)
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(number))
}
