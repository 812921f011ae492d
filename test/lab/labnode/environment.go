package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
)

type environment map[string]string

func (e environment) list() []string {
	out := make([]string, 0, len(e))
	for name, value := range e {
		out = append(out, name+"="+value)
	}
	return out
}

// expand puts values in for $(NAME); unknown names stay as they are.
func (e environment) expand(text string) string {
	if !strings.Contains(text, "$(") {
		return text
	}
	for name, value := range e {
		text = strings.ReplaceAll(text, "$("+name+")", value)
	}
	return text
}

func (e environment) expandAll(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = e.expand(text)
	}
	return out
}

func (c *container) environment(program image) (environment, error) {
	object := c.pod.current()
	e := environment{
		"PATH":     "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOSTNAME": object.Name,
		"HOME":     "/root",
	}
	// How programs in a cluster find its API server.
	if api, err := c.pod.node.services.Services("default").Get("kubernetes"); err == nil {
		e["KUBERNETES_SERVICE_HOST"] = api.Spec.ClusterIP
		e["KUBERNETES_SERVICE_PORT"] = fmt.Sprint(api.Spec.Ports[0].Port)
		e["KUBERNETES_SERVICE_PORT_HTTPS"] = e["KUBERNETES_SERVICE_PORT"]
	}
	maps.Copy(e, program.Env)
	for _, from := range c.spec.EnvFrom {
		var data map[string][]byte
		var err error
		if from.ConfigMapRef != nil {
			data, err = c.pod.configMap(from.ConfigMapRef.Name, from.ConfigMapRef.Optional)
		} else if from.SecretRef != nil {
			data, err = c.pod.secret(from.SecretRef.Name, from.SecretRef.Optional)
		}
		if err != nil {
			return nil, err
		}
		for name, value := range data {
			e[from.Prefix+name] = string(value)
		}
	}
	for _, variable := range c.spec.Env {
		value := e.expand(variable.Value)
		if variable.ValueFrom != nil {
			found, ok, err := c.valueFrom(variable.ValueFrom)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			value = found
		}
		e[variable.Name] = value
	}
	return e, nil
}

func (c *container) valueFrom(source *v1.EnvVarSource) (value string, ok bool, err error) {
	var data map[string][]byte
	var key string
	var optional *bool
	switch {
	case source.FieldRef != nil:
		value, err = c.pod.field(source.FieldRef.FieldPath)
		return value, err == nil, err
	case source.ResourceFieldRef != nil:
		return c.resource(source.ResourceFieldRef), true, nil
	case source.ConfigMapKeyRef != nil:
		r := source.ConfigMapKeyRef
		key, optional = r.Key, r.Optional
		data, err = c.pod.configMap(r.Name, r.Optional)
	case source.SecretKeyRef != nil:
		r := source.SecretKeyRef
		key, optional = r.Key, r.Optional
		data, err = c.pod.secret(r.Name, r.Optional)
	}
	if err != nil {
		return "", false, err
	}
	bytes, ok := data[key]
	if !ok && (optional == nil || !*optional) {
		return "", false, fmt.Errorf("there is no key %q", key)
	}
	return string(bytes), ok, nil
}

// resource is the limit or request in whole cores or bytes; one core or 1 GiB where none is set.
func (c *container) resource(ref *v1.ResourceFieldSelector) string {
	kind, name, _ := strings.Cut(ref.Resource, ".")
	quantities := c.spec.Resources.Limits
	if kind == "requests" {
		quantities = c.spec.Resources.Requests
	}
	if quantity, ok := quantities[v1.ResourceName(name)]; ok {
		return fmt.Sprint(quantity.Value())
	}
	if name == string(v1.ResourceMemory) {
		return fmt.Sprint(1 << 30)
	}
	return "1"
}

// field is what the downward API says of a pod.
func (p *pod) field(path string) (string, error) {
	object := p.current()
	switch path {
	case "metadata.name":
		return object.Name, nil
	case "metadata.namespace":
		return object.Namespace, nil
	case "metadata.uid":
		return string(object.UID), nil
	case "metadata.labels":
		return formatMap(object.Labels), nil
	case "metadata.annotations":
		return formatMap(object.Annotations), nil
	case "spec.nodeName":
		return object.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return object.Spec.ServiceAccountName, nil
	case "status.podIP", "status.podIPs":
		return p.address, nil
	case "status.hostIP", "status.hostIPs":
		return p.node.address, nil
	}
	if key, ok := keyIn(path, "metadata.labels"); ok {
		return object.Labels[key], nil
	}
	if key, ok := keyIn(path, "metadata.annotations"); ok {
		return object.Annotations[key], nil
	}
	return "", fmt.Errorf("the lab does not know the field %s", path)
}

func keyIn(path, field string) (string, bool) {
	key, ok := strings.CutPrefix(path, field+"['")
	return strings.TrimSuffix(key, "']"), ok
}

func formatMap(m map[string]string) string {
	var s strings.Builder
	for _, key := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&s, "%s=%q\n", key, m[key])
	}
	return s.String()
}
