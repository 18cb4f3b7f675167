// The sync_channel of Rust's standard library (rustc).
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};

pub struct Ends {
    sender: SyncSender<Item>,
    receiver: Receiver<Item>,
}

impl Ends {
    fn new(capacity: usize) -> Ends {
        let (sender, receiver) = sync_channel(capacity);
        Ends { sender, receiver }
    }

    #[inline(always)]
    fn try_send(&self, item: Item) -> bool {
        self.sender.try_send(item).is_ok()
    }

    #[inline(always)]
    fn try_receive(&self) -> Option<Item> {
        self.receiver.try_recv().ok()
    }

    #[inline(always)]
    fn send(&self, item: Item) {
        self.sender.send(item).unwrap()
    }

    #[inline(always)]
    fn receive(&self) -> Item {
        self.receiver.recv().unwrap()
    }
}

include!("loops.rs");
