;; Template of a fault model, with placeholders for the code of a test.
;;
;; Memory layout: a verdict is returned at 1024, where zeros mean `pass`; its first byte is the discriminant
;; and its fields begin at 1032. An error of `configure` is returned at 1024 as well. Texts begin at 64. The
;; allocator for arguments starts at 16384 and starts again for every argument.
(module
  (import "wasmote:device/log@0.1.0" "write" (func $log (param i32 i32 i32)))
  (import "wasmote:device/random@0.1.0" "uniform" (func $uniform (result f64)))
  {imports}

  (memory (export "memory") 1)
  (data (i32.const 64) "final line")      ;; 10 bytes: a line
  (data (i32.const 96) "no such thing")   ;; 13 bytes: an error
  (global $fresh (mut i32) (i32.const 16384))
  (global $calls (mut i32) (i32.const 0))

  (func (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32)
    (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $fresh) (i32.const 7)) (i32.const -8)))
    (global.set $fresh (i32.add (local.get $at) (local.get $size)))
    (if (i32.gt_u (global.get $fresh) (i32.const 60000)) (then (global.set $fresh (i32.const 16384))))
    (local.get $at))

  (func $log-line
    (call $log (i32.const 4) (i32.const 64) (i32.const 10)))
  (func $refuse
    (i32.store8 (i32.const 1024) (i32.const 1))
    (i32.store (i32.const 1028) (i32.const 96))
    (i32.store (i32.const 1032) (i32.const 13)))
  (func $answer (param $verdict i32)
    (i32.store8 (i32.const 1024) (local.get $verdict)))

  (func (export "wasmote:device/fault-model@0.1.0#configure") (result i32)
    (i64.store (i32.const 1024) (i64.const 0))
    {configure}
    (i32.const 1024))
  (func (export "wasmote:device/fault-model@0.1.0#judge")
    (param $now i64) (param $direction i32) (param $topic i32) (param $topic-size i32)
    (param $payload i32) (param $payload-size i32) (param $qos i32) (param $retain i32)
    (param $has-origin i32) (param $device i32) (param $device-size i32)
    (param $has-sequence i32) (param $sequence i64) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (i64.store (i32.const 1024) (i64.const 0))
    {judge}
    (i32.const 1024))
)
