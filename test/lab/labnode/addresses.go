package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"
)

// An addressPool gives IPv4 addresses of a CIDR out, each one as late as possible after it came back.
type addressPool struct {
	mu   sync.Mutex
	base uint32
	size uint32
	next uint32
	used map[string]bool
}

// newAddressPool leaves the first addresses of the CIDR, up to number skip, and its last one out.
func newAddressPool(cidr *net.IPNet, skip uint32) *addressPool {
	ones, bits := cidr.Mask.Size()
	first := binary.BigEndian.Uint32(cidr.IP.To4()) + skip + 1
	return &addressPool{base: first, size: uint32(1)<<(bits-ones) - skip - 2, used: map[string]bool{}}
}

func (a *addressPool) take() (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for range a.size {
		address := make(net.IP, 4)
		binary.BigEndian.PutUint32(address, a.base+a.next)
		a.next = (a.next + 1) % a.size
		if text := address.String(); !a.used[text] {
			a.used[text] = true
			return text, nil
		}
	}
	return "", fmt.Errorf("all %d addresses are taken", a.size)
}

func (a *addressPool) reserve(address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used[address] = true
}

func (a *addressPool) release(address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.used, address)
}

// gatewayOf is the first address of a CIDR.
func gatewayOf(cidr *net.IPNet) string {
	address := make(net.IP, 4)
	binary.BigEndian.PutUint32(address, binary.BigEndian.Uint32(cidr.IP.To4())+1)
	return address.String()
}
