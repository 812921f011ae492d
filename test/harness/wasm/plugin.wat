;; A plugin for proxies (proxy-wasm ABI 0.2.1) that says what it meets. Its configuration is JSON of which it takes the whole text.
;;
;; of requests: appends its configuration to the header x-met, answers 418 where there is x-deny, traps where there is x-trap
;; of answers: x-plugin is its configuration, x-root what its root is called, x-env the environment
;; of connections: what the client sends begins with its configuration
(module
  (import "env" "proxy_get_buffer_bytes" (func $get_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_buffer_bytes" (func $set_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $get_header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add_header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $get_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response"
    (func $respond (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))

  (memory (export "memory") 8)
  ;; 0: what calls write to. 16: names. 1024: configuration by root, 64 of them. 2048: roots by stream, 4096 of them.
  (data (i32.const 16) "x-met")
  (data (i32.const 32) "x-deny")
  (data (i32.const 48) "x-trap")
  (data (i32.const 64) "x-plugin")
  (data (i32.const 80) "x-root")
  (data (i32.const 96) "x-env")
  (data (i32.const 112) "plugin_root_id")
  (global $base (mut i32) (i32.const 32768))
  (global $heap (mut i32) (i32.const 32768))

  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))

  ;; What configurations take stays; the rest is written over when there is no more.
  (func $allocate (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (if (i32.gt_u (i32.add (global.get $heap) (local.get $size)) (i32.const 500000))
      (then (global.set $heap (global.get $base))))
    (local.set $at (global.get $heap))
    (global.set $heap (i32.and (i32.add (i32.add (global.get $heap) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (local.get $at))

  (func $root_slot (param $root i32) (result i32)
    (i32.add (i32.const 1024) (i32.shl (i32.and (local.get $root) (i32.const 63)) (i32.const 3))))
  (func $stream_slot (param $stream i32) (result i32)
    (i32.add (i32.const 2048) (i32.shl (i32.and (local.get $stream) (i32.const 4095)) (i32.const 2))))

  (func (export "proxy_on_context_create") (param $context i32) (param $parent i32)
    (if (local.get $parent) (then (i32.store (call $stream_slot (local.get $context)) (local.get $parent)))))

  (func (export "proxy_on_configure") (param $root i32) (param $size i32) (result i32)
    (local $slot i32)
    (local.set $slot (call $root_slot (local.get $root)))
    (if (local.get $size)
      (then
        (drop (call $get_buffer (i32.const 7) (i32.const 0) (local.get $size) (local.get $slot)
          (i32.add (local.get $slot) (i32.const 4))))
        (global.set $base (global.get $heap))))
    (i32.const 1))

  (func $config (param $stream i32) (result i32)
    (i32.load (call $root_slot (i32.load (call $stream_slot (local.get $stream))))))
  (func $config_size (param $stream i32) (result i32)
    (i32.load offset=4 (call $root_slot (i32.load (call $stream_slot (local.get $stream))))))

  (func $has (param $name i32) (result i32)
    (i32.store (i32.const 0) (i32.const 0))
    (i32.eqz (call $get_header (i32.const 0) (local.get $name) (i32.const 6) (i32.const 0) (i32.const 4))))

  (func (export "proxy_on_request_headers") (param $stream i32) (param i32 i32) (result i32)
    (drop (call $add_header (i32.const 0) (i32.const 16) (i32.const 5)
      (call $config (local.get $stream)) (call $config_size (local.get $stream))))
    (if (call $has (i32.const 48)) (then unreachable))
    (if (call $has (i32.const 32))
      (then
        (drop (call $respond (i32.const 418) (i32.const 0) (i32.const 0)
          (call $config (local.get $stream)) (call $config_size (local.get $stream))
          (i32.const 0) (i32.const 0) (i32.const -1)))
        (return (i32.const 1))))
    (i32.const 0))

  (func (export "proxy_on_response_headers") (param $stream i32) (param i32 i32) (result i32)
    (local $at i32) (local $end i32)
    (drop (call $add_header (i32.const 2) (i32.const 64) (i32.const 8)
      (call $config (local.get $stream)) (call $config_size (local.get $stream))))
    (if (i32.eqz (call $get_property (i32.const 112) (i32.const 14) (i32.const 0) (i32.const 4)))
      (then
        (drop (call $add_header (i32.const 2) (i32.const 80) (i32.const 6) (i32.load (i32.const 0))
          (i32.load (i32.const 4))))))
    (drop (call $environ_sizes (i32.const 0) (i32.const 4)))
    (if (i32.load (i32.const 4))
      (then
        (local.set $end (i32.load (i32.const 4)))
        (local.set $at (call $allocate (i32.add (local.get $end) (i32.const 256))))
        (drop (call $environ (local.get $at) (i32.add (local.get $at) (i32.const 256))))
        (local.set $at (i32.add (local.get $at) (i32.const 256)))
        (local.set $end (i32.sub (i32.add (local.get $at) (local.get $end)) (i32.const 1)))
        ;; One line for all: NUL ends each.
        (block $done
          (loop $next
            (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
            (if (i32.eqz (i32.load8_u (local.get $at))) (then (i32.store8 (local.get $at) (i32.const 59))))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br $next)))
        (drop (call $add_header (i32.const 2) (i32.const 96) (i32.const 5)
          (i32.sub (local.get $end) (i32.sub (i32.load (i32.const 4)) (i32.const 1)))
          (i32.sub (i32.load (i32.const 4)) (i32.const 1))))))
    (i32.const 0))

  (func (export "proxy_on_new_connection") (param i32) (result i32) (i32.const 0))
  (func (export "proxy_on_downstream_data") (param $stream i32) (param i32 i32) (result i32)
    (drop (call $set_buffer (i32.const 2) (i32.const 0) (i32.const 0)
      (call $config (local.get $stream)) (call $config_size (local.get $stream))))
    (i32.const 0)))
