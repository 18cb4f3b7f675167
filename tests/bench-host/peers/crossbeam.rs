// crossbeam-channel, bounded (librust-crossbeam-channel-dev).
use crossbeam_channel::{bounded, Receiver, Sender};

pub struct Ends {
    sender: Sender<Item>,
    receiver: Receiver<Item>,
}

impl Ends {
    fn new(capacity: usize) -> Ends {
        let (sender, receiver) = bounded(capacity);
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
