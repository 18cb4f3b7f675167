// The loops of peers/loops.h, for a peer in Rust that has defined `Ends` and its functions before.

#[cfg(item_64)]
pub const WORDS: usize = 8;
#[cfg(not(item_64))]
pub const WORDS: usize = 1;

#[derive(Clone, Copy)]
#[repr(C)]
pub struct Item {
    words: [u64; WORDS],
}

extern "C" {
    fn threads_relax();
}

impl Item {
    const ZERO: Item = Item { words: [0; WORDS] };

    /// As make_item: in memory, or a number in a register.
    #[inline(always)]
    fn make(&mut self, number: u64) {
        self.words[0] = number;
        if WORDS > 1 {
            unsafe { std::arch::asm!("/* {0} */", in(reg) self as *mut Item) };
        }
    }

    /// As use_item.
    #[inline(always)]
    fn consume(&self) {
        if WORDS > 1 {
            unsafe { std::arch::asm!("/* {0} */", in(reg) self as *const Item) };
        } else {
            unsafe { std::arch::asm!("/* {0} */", in(reg) self.words[0], options(nomem)) };
        }
    }
}

#[no_mangle]
pub extern "C" fn peer_create(capacity: u32, _senders: u32, _most: u64) -> *mut Ends {
    Box::into_raw(Box::new(Ends::new(capacity as usize)))
}

#[no_mangle]
pub unsafe extern "C" fn peer_pairs(queue: *mut Ends, rounds: u64) -> u64 {
    let ends = &*queue;
    let mut item = Item::ZERO;
    let mut failed = 0;
    for i in 0..rounds {
        item.make(i);
        if ends.try_send(item) {
            match ends.try_receive() {
                Some(out) => out.consume(),
                None => failed += 1,
            }
        } else {
            failed += 1;
        }
    }
    failed
}

#[no_mangle]
pub unsafe extern "C" fn peer_send(queue: *mut Ends, _sender: u32, count: u64) {
    let ends = &*queue;
    let mut item = Item::ZERO;
    for i in 1..=count {
        item.make(i);
        while !ends.try_send(item) {
            threads_relax();
        }
    }
}

#[no_mangle]
pub unsafe extern "C" fn peer_receive(queue: *mut Ends, count: u64) -> u64 {
    let ends = &*queue;
    let mut sum = 0;
    for _ in 0..count {
        loop {
            if let Some(out) = ends.try_receive() {
                out.consume();
                sum += out.words[0];
                break;
            }
            threads_relax();
        }
    }
    sum
}

#[no_mangle]
pub unsafe extern "C" fn peer_send_blocking(queue: *mut Ends, count: u64) -> bool {
    let ends = &*queue;
    let mut item = Item::ZERO;
    for i in 1..=count {
        item.make(i);
        ends.send(item);
    }
    true
}

#[no_mangle]
pub unsafe extern "C" fn peer_receive_blocking(queue: *mut Ends, count: u64, sum: *mut u64) -> bool {
    let ends = &*queue;
    *sum = 0;
    for _ in 0..count {
        let out = ends.receive();
        out.consume();
        *sum += out.words[0];
    }
    true
}
