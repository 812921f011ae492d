package main

import (
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// startScript makes the container's file system and becomes its program. It runs in the container's namespaces.
func (c *container) startScript(program image, env environment) string {
	base, root := c.directory(), filepath.Join(c.directory(), "root")
	var s strings.Builder
	line := func(format string, arguments ...any) { fmt.Fprintf(&s, format+"\n", arguments...) }

	line("set -e")
	line("ROOT=%s", quote(root))
	line("mkdir -p %[1]s/changes $ROOT; mount -t tmpfs changes %[1]s/changes; mkdir %[1]s/changes/upper %[1]s/changes/work", quote(base))
	line("mount -t overlay overlay -o lowerdir=/,upperdir=%[1]s/changes/upper,workdir=%[1]s/changes/work $ROOT", base)
	line("mount -t proc proc $ROOT/proc; mount --rbind /dev $ROOT/dev; mount --rbind /sys $ROOT/sys")
	line("mount -t tmpfs -o mode=1777 shm $ROOT/dev/shm; mount -t tmpfs -o mode=1777 tmp $ROOT/tmp; mount -t tmpfs run $ROOT/run")
	// An absolute link: followed from outside it would lead to the machine's own /run.
	line("if [ -L $ROOT/var/run ]; then rm $ROOT/var/run; mkdir $ROOT/var/run; fi")
	line("rm -f $ROOT/etc/resolv.conf $ROOT/etc/hosts")
	line("printf 'nameserver %s\\nsearch %s.svc.cluster.local svc.cluster.local cluster.local\\noptions ndots:5\\n' > $ROOT/etc/resolv.conf",
		c.pod.node.dns, c.pod.current().Namespace)
	line("printf '127.0.0.1 localhost\\n%s %s\\n' > $ROOT/etc/hosts", c.pod.address, c.pod.current().Name)
	line("hostname %s", quote(c.pod.current().Name))
	line(`bind() { if [ -d "$1" ]; then mkdir -p "$ROOT$2"; else mkdir -p "$ROOT${2%%/*}"; [ -e "$ROOT$2" ] || : > "$ROOT$2"; fi; mount --bind "$1" "$ROOT$2"; }`)
	for inside, outside := range program.Files {
		line(`bind %s %s; mount -o remount,bind,ro "$ROOT"%s`, quote(outside), quote(inside), quote(inside))
	}
	for _, mount := range c.spec.VolumeMounts {
		line("bind %s %s", quote(filepath.Join(c.pod.volumeSource(mount.Name), env.expand(mount.SubPath+mount.SubPathExpr))), quote(path.Clean(mount.MountPath)))
	}

	arguments := program.Entrypoint
	if len(c.spec.Command) > 0 {
		arguments = env.expandAll(c.spec.Command)
	}
	words := make([]string, 0, len(arguments)+len(c.spec.Args))
	for _, argument := range append(append([]string{}, arguments...), env.expandAll(c.spec.Args)...) {
		words = append(words, quote(argument))
	}
	as := ""
	if user := c.user(program); user != "" {
		as = "--userspec=" + user + ":" + user
	}
	directory := c.spec.WorkingDir
	if directory == "" {
		directory = "/"
	}
	line(`cd /; exec chroot %s $ROOT /bin/sh -c 'cd "$0" && exec "$@"' %s %s`, as, quote(directory), strings.Join(words, " "))
	return s.String()
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// shell runs a script of /bin/sh with these variables; the error has what it printed.
func shell(script string, variables ...string) error {
	command := exec.Command("sh", "-ec", script)
	command.Env = append(command.Environ(), variables...)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w: %s", variables, err, output)
	}
	return nil
}
