package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	authentication "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// files is the content of a volume: relative path to bytes.
type files map[string][]byte

type issuedToken struct {
	text     []byte
	issuedAt time.Time
}

func (p *pod) volumeDirectory(name string) string { return filepath.Join(p.directory, "volumes", name) }

// volumeSource is the folder or file of this machine that is mounted into containers.
func (p *pod) volumeSource(name string) string {
	for _, v := range p.current().Spec.Volumes {
		if v.Name == name && v.HostPath != nil {
			return v.HostPath.Path
		}
	}
	return p.volumeDirectory(name)
}

// mountVolumes writes the volumes, or what changed in them since the last call.
func (p *pod) mountVolumes() error {
	for _, v := range p.current().Spec.Volumes {
		content, err := p.volumeContent(v)
		if err != nil {
			return fmt.Errorf("FailedMount %s: %w", v.Name, err)
		}
		directory := p.volumeDirectory(v.Name)
		if err := os.MkdirAll(directory, 0o777); err != nil {
			return err
		}
		if content == nil {
			// An emptyDir is for every user, whatever the umask.
			if err := os.Chmod(directory, 0o777); err != nil {
				return err
			}
		} else if err := swapContent(directory, content); err != nil {
			return fmt.Errorf("FailedMount %s: %w", v.Name, err)
		}
	}
	return nil
}

// volumeContent is nil for a volume whose content is not the node's to write.
func (p *pod) volumeContent(v v1.Volume) (files, error) {
	switch {
	case v.ConfigMap != nil:
		return p.source(v1.VolumeProjection{ConfigMap: &v1.ConfigMapProjection{
			LocalObjectReference: v.ConfigMap.LocalObjectReference, Items: v.ConfigMap.Items, Optional: v.ConfigMap.Optional,
		}})
	case v.Secret != nil:
		return p.source(v1.VolumeProjection{Secret: &v1.SecretProjection{
			LocalObjectReference: v1.LocalObjectReference{Name: v.Secret.SecretName}, Items: v.Secret.Items, Optional: v.Secret.Optional,
		}})
	case v.DownwardAPI != nil:
		return p.source(v1.VolumeProjection{DownwardAPI: &v1.DownwardAPIProjection{Items: v.DownwardAPI.Items}})
	case v.Projected != nil:
		all := files{}
		for _, projection := range v.Projected.Sources {
			content, err := p.source(projection)
			if err != nil {
				return nil, err
			}
			maps.Copy(all, content)
		}
		return all, nil
	case v.EmptyDir != nil, v.HostPath != nil:
		return nil, nil
	}
	return nil, fmt.Errorf("the lab has no volumes of this kind")
}

func (p *pod) source(projection v1.VolumeProjection) (files, error) {
	switch {
	case projection.ConfigMap != nil:
		data, err := p.configMap(projection.ConfigMap.Name, projection.ConfigMap.Optional)
		return choose(data, projection.ConfigMap.Items), err
	case projection.Secret != nil:
		data, err := p.secret(projection.Secret.Name, projection.Secret.Optional)
		return choose(data, projection.Secret.Items), err
	case projection.DownwardAPI != nil:
		out := files{}
		for _, item := range projection.DownwardAPI.Items {
			if item.FieldRef == nil {
				continue
			}
			value, err := p.field(item.FieldRef.FieldPath)
			if err != nil {
				return nil, err
			}
			out[item.Path] = []byte(value)
		}
		return out, nil
	case projection.ServiceAccountToken != nil:
		token, err := p.token(projection.ServiceAccountToken)
		return files{projection.ServiceAccountToken.Path: token}, err
	}
	return nil, fmt.Errorf("the lab does not know this projection")
}

func choose(data map[string][]byte, items []v1.KeyToPath) files {
	if len(items) == 0 {
		return data
	}
	out := files{}
	for _, item := range items {
		out[item.Path] = data[item.Key]
	}
	return out
}

func (p *pod) configMap(name string, optional *bool) (map[string][]byte, error) {
	namespace := p.current().Namespace
	found, err := p.node.configMaps.ConfigMaps(namespace).Get(name)
	if err != nil { // the watch may be behind
		found, err = p.node.client.CoreV1().ConfigMaps(namespace).Get(p.ctx, name, metav1.GetOptions{})
	}
	if err != nil {
		return map[string][]byte{}, unlessOptional(err, optional)
	}
	out := map[string][]byte{}
	maps.Copy(out, found.BinaryData)
	for key, value := range found.Data {
		out[key] = []byte(value)
	}
	return out, nil
}

func (p *pod) secret(name string, optional *bool) (map[string][]byte, error) {
	namespace := p.current().Namespace
	found, err := p.node.secrets.Secrets(namespace).Get(name)
	if err != nil { // the watch may be behind
		found, err = p.node.client.CoreV1().Secrets(namespace).Get(p.ctx, name, metav1.GetOptions{})
	}
	if err != nil {
		return map[string][]byte{}, unlessOptional(err, optional)
	}
	return found.Data, nil
}

func unlessOptional(err error, optional *bool) error {
	if optional != nil && *optional && apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// token is bound to this pod. A kubelet replaces it after four fifths of its life; here it is much sooner, for tests to see it.
func (p *pod) token(projection *v1.ServiceAccountTokenProjection) ([]byte, error) {
	key := projection.Audience + "/" + projection.Path
	p.mu.Lock()
	issued := p.tokens[key]
	p.mu.Unlock()
	if time.Since(issued.issuedAt) < p.node.tokenMaxAge {
		return issued.text, nil
	}
	object := p.current()
	request := &authentication.TokenRequest{Spec: authentication.TokenRequestSpec{
		ExpirationSeconds: projection.ExpirationSeconds,
		BoundObjectRef:    &authentication.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: object.Name, UID: object.UID},
	}}
	if projection.Audience != "" {
		request.Spec.Audiences = []string{projection.Audience}
	}
	response, err := p.node.client.CoreV1().ServiceAccounts(object.Namespace).
		CreateToken(p.ctx, object.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	issued = issuedToken{text: []byte(response.Status.Token), issuedAt: time.Now()}
	p.mu.Lock()
	p.tokens[key] = issued
	p.mu.Unlock()
	return issued.text, nil
}

const currentLink = "..data"

// swapContent replaces all files of a volume at once, as a kubelet does: they are links into `..data`, itself a link to a folder with
// the time in its name, and one rename turns it to the next folder. Programs that watch for changes depend on this.
func swapContent(directory string, content files) error {
	previous, _ := os.Readlink(filepath.Join(directory, currentLink))
	if previous != "" && holds(filepath.Join(directory, previous), content) {
		return nil
	}
	next, err := os.MkdirTemp(directory, ".."+time.Now().UTC().Format("2006_01_02_15_04_05.")+"*")
	if err != nil {
		return err
	}
	if err := os.Chmod(next, 0o755); err != nil {
		return err
	}
	wanted := map[string]bool{}
	for name, text := range content {
		file := filepath.Join(next, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
		top, _, _ := strings.Cut(name, "/")
		wanted[top] = true
	}
	link := filepath.Join(directory, currentLink+"_tmp")
	if err := os.Symlink(filepath.Base(next), link); err != nil {
		return err
	}
	if err := os.Rename(link, filepath.Join(directory, currentLink)); err != nil {
		return err
	}
	for name := range wanted {
		if err := os.Symlink(filepath.Join(currentLink, name), filepath.Join(directory, name)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return removeOthers(directory, filepath.Base(next), wanted)
}

func removeOthers(directory, current string, wanted map[string]bool) error {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if name := entry.Name(); name != current && name != currentLink && !wanted[name] {
			if err := os.RemoveAll(filepath.Join(directory, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// holds tells whether a folder has exactly this content.
func holds(directory string, content files) bool {
	count := 0
	same := true
	_ = filepath.WalkDir(directory, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		count++
		name, _ := filepath.Rel(directory, path)
		text, ok := content[name]
		found, readErr := os.ReadFile(path)
		same = same && ok && readErr == nil && bytes.Equal(text, found)
		return nil
	})
	return same && count == len(content)
}
