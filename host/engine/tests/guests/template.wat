;; Template of a behaviour, with placeholders for the code of a test.
;;
;; Memory layout: results are returned at 1024, where zeros mean `ok`; results of imports go to 2048. Texts
;; begin at 64. The allocator for arguments starts at 16384 and starts again for every argument.
(module
  (import "wasmote:device/mqtt@0.1.0" "publish"
    (func $publish (param i32 i32 i32 i32 i32 i32 i32)))
  (import "wasmote:device/timers@0.1.0" "set" (func $set-timer (param i32 i64 i32)))
  (import "wasmote:device/log@0.1.0" "write" (func $log (param i32 i32 i32)))
  {imports}

  (memory (export "memory") {pages})
  (data (i32.const 64) "wasmote/t/x")   ;; 11 bytes: a topic
  (data (i32.const 96) "final line")    ;; 10 bytes: a line
  (global $fresh (mut i32) (i32.const 16384))
  {globals}

  (func (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32)
    (result i32)
    (local $at i32)
    {realloc}
    (local.set $at (i32.and (i32.add (global.get $fresh) (i32.const 7)) (i32.const -8)))
    (global.set $fresh (i32.add (local.get $at) (local.get $size)))
    (if (i32.gt_u (global.get $fresh) (i32.const 60000)) (then (global.set $fresh (i32.const 16384))))
    (local.get $at))

  (func $publish-one
    (call $publish (i32.const 64) (i32.const 11) (i32.const 96) (i32.const 10)
      (i32.const 0) (i32.const 0) (i32.const 2048)))
  (func $set-timer-1s
    (call $set-timer (i32.const 1) (i64.const 1000000000) (i32.const 2048)))
  ;; Publishes these bytes of the memory at QoS 1, to show them to the test.
  (func $report (param $at i32) (param $length i32)
    (call $publish (i32.const 64) (i32.const 11) (local.get $at) (local.get $length)
      (i32.const 1) (i32.const 0) (i32.const 3072)))
  (func $log-line
    (call $log (i32.const 4) (i32.const 96) (i32.const 10)))
  {functions}

  (func (export "wasmote:device/behaviour@0.1.0#start") (param i32) (result i32)
    {start}
    (i32.const 1024))
  (func (export "wasmote:device/behaviour@0.1.0#on-message") (param i32)
    {message})
  (func (export "wasmote:device/behaviour@0.1.0#on-timer") (param i32)
    {timer})
  (func (export "wasmote:device/behaviour@0.1.0#on-connection") (param i32 i32 i32)
    {connection})
  (func (export "wasmote:device/behaviour@0.1.0#on-http-request")
    (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (i32.store16 (i32.const 1024) (i32.const 204))
    {http}
    (i32.const 1024))
  (func (export "wasmote:device/behaviour@0.1.0#on-http-reply")
    (param i64 i32 i32 i32 i32 i32 i32)
    {reply})
  (func (export "wasmote:device/behaviour@0.1.0#stop") (param i32)
    {stop})
  (func (export "wasmote:device/behaviour@0.1.0#snapshot") (result i32)
    {snapshot}
    (i32.const 1024))
  (func (export "wasmote:device/behaviour@0.1.0#restore") (param i32 i32) (result i32)
    {restore}
    (i32.const 1024))
)
