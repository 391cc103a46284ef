//! Numbers in an order that only the caller knows, such as that of the names they stand for. They lie in pieces, so that one
//! more moves a few of them, however many there are: nothing is ever sorted or merged as a whole while the writer waits.

/// Numbers in a piece at most.
const PIECE: usize = if cfg!(test) { 8 } else { 512 };

/// See the module. 4 to 8 bytes a number.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// None is empty.
    pieces: Vec<Vec<u32>>,
}

impl Order {
    /// Of numbers that are in order.
    pub(crate) fn of_sorted(sorted: &[u32]) -> Self {
        // With some room each, or the next ones would split every piece.
        Self { pieces: sorted.chunks(PIECE / 4 * 3).map(<[u32]>::to_vec).collect() }
    }

    /// Puts a number behind those that `before` says are before it, in the place of the next one if that is the `same`.
    pub(crate) fn insert(&mut self, number: u32, before: impl Fn(u32) -> bool, same: impl Fn(u32) -> bool) {
        let last = self.pieces.len().saturating_sub(1);
        let place = self.piece(&before).min(last);
        let Some(piece) = self.pieces.get_mut(place) else {
            self.pieces.push(vec![number]);
            return;
        };
        let at = piece.partition_point(|other| before(*other));
        if let Some(found) = piece.get_mut(at).filter(|found| same(**found)) {
            *found = number;
        } else if piece.len() < PIECE {
            piece.insert(at, number);
        } else if at == PIECE {
            // Numbers that come in order leave full pieces behind them, not half ones.
            self.pieces.insert(place + 1, vec![number]);
        } else {
            let mut behind = piece.split_off(PIECE / 2);
            match at.checked_sub(PIECE / 2) {
                Some(at) => behind.insert(at, number),
                None => piece.insert(at, number),
            }
            self.pieces.insert(place + 1, behind);
        }
    }

    /// All numbers behind those that are `before`.
    pub(crate) fn after(&self, before: impl Fn(u32) -> bool) -> impl Iterator<Item = u32> {
        let place = self.piece(&before);
        let at = self.pieces.get(place).map_or(0, |piece| piece.partition_point(|other| before(*other)));
        self.pieces.get(place..).unwrap_or(&[]).iter().flatten().skip(at).copied()
    }

    /// The first piece with a number that is not `before`.
    fn piece(&self, before: impl Fn(u32) -> bool) -> usize {
        self.pieces.partition_point(|piece| piece.last().is_some_and(|last| before(*last)))
    }
}
