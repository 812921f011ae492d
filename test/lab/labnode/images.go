package main

import "strings"

// An image is a program of this machine.
type image struct {
	Entrypoint []string          `json:"entrypoint"`
	Env        map[string]string `json:"env"`
	// Path in the container to a file or folder of this machine, which is mounted there read-only.
	Files map[string]string `json:"files"`
	// Numeric user and group that it runs as, unless a security context says otherwise.
	User string `json:"user"`
}

type imageTable map[string]image

// find takes a name with or without a tag or digest.
func (t imageTable) find(name string) (image, bool) {
	if found, ok := t[name]; ok {
		return found, true
	}
	name, _, _ = strings.Cut(name, "@")
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		name = name[:colon]
	}
	found, ok := t[name]
	return found, ok
}
