package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// A kubelet begins with ten seconds and goes up to five minutes.
	firstBackoff = time.Second
	lastBackoff  = 10 * time.Second
)

type containerKind int

const (
	initContainer containerKind = iota
	sidecarContainer
	mainContainer
)

type container struct {
	pod  *pod
	spec v1.Container
	kind containerKind

	mu      sync.Mutex
	process *process
	state   containerState
}

// containerState is what the pod's status tells of a container.
type containerState struct {
	startedAt *metav1.Time // nil unless it runs
	exit      *containerExit
	started   bool // it runs and its startup probe has succeeded
	ready     bool
	restarts  int32
	finished  bool // it will not be started again
}

type containerExit struct {
	code int32
	at   metav1.Time
}

// A process is the first one of a container, as seen from outside.
type process struct {
	command *exec.Cmd
	ended   chan struct{}
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func (c *container) snapshot() containerState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// change reports the state when it became another one.
func (c *container) change(edit func(*containerState)) {
	c.mu.Lock()
	before := c.state
	edit(&c.state)
	changed := before != c.state
	c.mu.Unlock()
	if changed {
		c.pod.report()
	}
}

func (c *container) directory() string {
	return filepath.Join(c.pod.directory, "containers", c.spec.Name)
}
func (c *container) logFile() string { return filepath.Join(c.directory(), "log") }

// start starts the program and runs its postStart hook.
func (c *container) start() error {
	program, ok := c.pod.node.images.find(c.spec.Image)
	if !ok {
		return fmt.Errorf("ErrImagePull: the lab has no image %q", c.spec.Image)
	}
	environment, err := c.environment(program)
	if err != nil {
		return fmt.Errorf("CreateContainerConfigError: %w", err)
	}
	if err := os.MkdirAll(c.directory(), 0o755); err != nil {
		return err
	}
	script := filepath.Join(c.directory(), "start.sh")
	if err := os.WriteFile(script, []byte(c.startScript(program, environment)), 0o755); err != nil {
		return err
	}
	output, err := os.OpenFile(c.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer output.Close()
	// Propagation `slave`: a deleted network namespace of another pod goes away here, too, instead of being kept alive by this copy of its mount.
	command := exec.Command("nsenter", "--net=/run/netns/"+c.pod.namespace,
		"unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--propagation", "slave", "sh", script)
	command.Env = environment.list()
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		return err
	}
	started := &process{command: command, ended: make(chan struct{})}
	now := metav1.Now()
	c.mu.Lock()
	c.process = started
	c.mu.Unlock()
	c.change(func(s *containerState) {
		s.startedAt, s.started = &now, c.spec.StartupProbe == nil
		s.ready = s.started && c.spec.ReadinessProbe == nil
	})
	go c.awaitEnd(started)
	if c.pod.ctx.Err() != nil { // the pod was stopped while this began, and may not have seen it
		_ = command.Process.Kill()
		return c.pod.ctx.Err()
	}
	c.probe(started)
	if hooks := c.spec.Lifecycle; hooks != nil && hooks.PostStart != nil {
		c.runHook(c.pod.ctx, hooks.PostStart)
	}
	return nil
}

func (c *container) awaitEnd(p *process) {
	_ = p.command.Wait()
	code := p.command.ProcessState.ExitCode()
	if status, ok := p.command.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		code = 128 + int(status.Signal())
	}
	exit := &containerExit{code: int32(code), at: metav1.Now()}
	c.change(func(s *containerState) { s.startedAt, s.started, s.ready, s.exit = nil, false, false, exit })
	close(p.ended)
}

// supervise starts the program again whenever it ends, as the policy wants it, until the pod is to end.
func (c *container) supervise(policy v1.RestartPolicy) {
	for backoff := firstBackoff; ; {
		startedAt := time.Now()
		<-c.running().ended
		if c.pod.ctx.Err() != nil {
			return
		}
		code := c.snapshot().exit.code
		log.Printf("%s[%s] ended with %d", c.pod.name(), c.spec.Name, code)
		if policy == v1.RestartPolicyNever || (policy == v1.RestartPolicyOnFailure && code == 0) {
			c.change(func(s *containerState) { s.finished = true })
			c.pod.onContainerEnded()
			return
		}
		if time.Since(startedAt) > lastBackoff {
			backoff = firstBackoff
		}
		if !c.pod.sleep(backoff) {
			return
		}
		backoff = min(2*backoff, lastBackoff)
		c.change(func(s *containerState) { s.restarts++ })
		if !c.pod.untilDone(c.start) {
			return
		}
	}
}

// complete waits until the program of an init container has succeeded; false when the pod is to end before.
func (c *container) complete() bool {
	for {
		<-c.running().ended
		code := c.snapshot().exit.code
		if c.pod.ctx.Err() != nil {
			return false
		}
		if code == 0 {
			c.change(func(s *containerState) { s.finished, s.ready = true, true })
			return true
		}
		log.Printf("%s[%s] ended with %d", c.pod.name(), c.spec.Name, code)
		if c.pod.current().Spec.RestartPolicy == v1.RestartPolicyNever {
			for _, other := range c.pod.containers {
				other.change(func(s *containerState) { s.finished = true })
			}
			c.pod.setPhase(v1.PodFailed)
			return false
		}
		c.pod.setMessage(fmt.Sprintf("init container %s ended with %d", c.spec.Name, code))
		if !c.pod.sleep(firstBackoff) {
			return false
		}
		c.change(func(s *containerState) { s.restarts++ })
		if !c.pod.untilDone(c.start) {
			return false
		}
	}
}

// awaitStarted waits for a sidecar's startup probe; false when the pod is to end before.
func (c *container) awaitStarted() bool {
	for !c.snapshot().started {
		if !c.pod.sleep(20 * time.Millisecond) {
			return false
		}
	}
	return true
}

func (c *container) running() *process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.process
}

// end runs the preStop hook, waits for the container's turn, asks the program to end, and kills it when the deadline is over.
func (c *container) end(deadline time.Time, turn *sync.WaitGroup) {
	p := c.running()
	if p == nil || p.hasEnded() {
		return
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	stopWaiting := c.pod.onKill(cancel)
	defer stopWaiting()
	if hooks := c.spec.Lifecycle; hooks != nil && hooks.PreStop != nil && ctx.Err() == nil {
		c.runHook(ctx, hooks.PreStop)
		if left := time.Until(deadline); left < minimumGrace {
			deadline = time.Now().Add(minimumGrace)
		}
	}
	if turn != nil {
		await(turn, time.Until(deadline), c.pod.killed)
	}
	c.signal(p, syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-c.pod.killed:
	case <-time.After(time.Until(deadline)):
	}
	c.signal(p, syscall.SIGKILL)
	_ = p.command.Process.Kill()
	<-p.ended
}

func await(turn *sync.WaitGroup, limit time.Duration, cut <-chan struct{}) {
	done := make(chan struct{})
	go func() { turn.Wait(); close(done) }()
	select {
	case <-done:
	case <-cut:
	case <-time.After(limit):
	}
}

// onKill calls back when the rest of the grace is cancelled.
func (p *pod) onKill(callback func()) (stop func()) {
	over := make(chan struct{})
	go func() {
		select {
		case <-p.killed:
			callback()
		case <-over:
		}
	}()
	return sync.OnceFunc(func() { close(over) })
}

// restart ends the program with its grace, for supervise to start it again.
func (c *container) restart() {
	c.end(time.Now().Add(time.Duration(*c.pod.current().Spec.TerminationGracePeriodSeconds)*time.Second), nil)
}

func (c *container) signal(p *process, signal syscall.Signal) {
	if first := firstProcess(p); first > 0 {
		_ = syscall.Kill(first, signal)
	}
}

// firstProcess is the container's PID 1 as this machine numbers it: the child of unshare. 0 when there is none.
func firstProcess(p *process) int {
	id := p.command.Process.Pid
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", id, id))
	first, _, _ := strings.Cut(string(text), " ")
	number, _ := strconv.Atoi(first)
	return number
}

// execute runs another program inside the container.
func (c *container) execute(ctx context.Context, arguments []string, in io.Reader, out, errors io.Writer) error {
	p := c.running()
	if p == nil || firstProcess(p) == 0 {
		return fmt.Errorf("container %s is not running", c.spec.Name)
	}
	program, _ := c.pod.node.images.find(c.spec.Image)
	environment, err := c.environment(program)
	if err != nil {
		return err
	}
	enter := []string{"--target", strconv.Itoa(firstProcess(p)), "--net", "--mount", "--pid", "--uts", "--root", "--wd"}
	if user := c.user(program); user != "" {
		enter = append(enter, "--setuid", user, "--setgid", user)
	}
	command := exec.CommandContext(ctx, "nsenter", append(append(enter, "--"), arguments...)...)
	command.Env, command.Stdin, command.Stdout, command.Stderr = environment.list(), in, out, errors
	command.WaitDelay = time.Second
	return command.Run()
}

func (c *container) runHook(ctx context.Context, hook *v1.LifecycleHandler) {
	var err error
	switch {
	case hook.Exec != nil:
		err = c.execute(ctx, hook.Exec.Command, nil, io.Discard, io.Discard)
	case hook.Sleep != nil:
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(hook.Sleep.Seconds) * time.Second):
		}
	case hook.HTTPGet != nil:
		err = c.get(ctx, &http.Client{}, hook.HTTPGet)
	}
	if err != nil {
		log.Printf("%s[%s] hook: %v", c.pod.name(), c.spec.Name, err)
	}
}

// user is the numeric user that is not root, or nothing.
func (c *container) user(program image) string {
	user := program.User
	if all := c.pod.current().Spec.SecurityContext; all != nil && all.RunAsUser != nil {
		user = strconv.FormatInt(*all.RunAsUser, 10)
	}
	if own := c.spec.SecurityContext; own != nil && own.RunAsUser != nil {
		user = strconv.FormatInt(*own.RunAsUser, 10)
	}
	if user == "0" {
		return ""
	}
	return user
}
