//! Places in lists: positions from 0 on without gaps, whatever moves. The changes of a waddle take turns, so that two
//! moves at once are two moves one after the other.

use std::sync::Arc;

use waddle_core::{CategoryId, ChannelId};
use waddle_storage::repo::channels;

use crate::{Channel, Event, Result, change::Draft};

/// Puts `item` at `at`, or last, among `others`, which are in their order.
pub(super) fn insert<T>(mut others: Vec<T>, item: T, at: Option<u32>) -> Vec<T> {
    let at = at.map_or(others.len(), |at| usize::try_from(at).unwrap_or(usize::MAX));
    others.insert(at.min(others.len()), item);
    others
}

/// The channels of one category, in their order.
pub(super) fn group(all: &[Arc<Channel>], category: Option<CategoryId>) -> Vec<Arc<Channel>> {
    all.iter().filter(|c| c.category == category).cloned().collect()
}

/// Stores `channels` as the ones of `category`, in this order; those that moved are changed in `all` too.
pub(super) fn store(
    d: &mut Draft<'_>,
    all: &mut [Arc<Channel>],
    category: Option<CategoryId>,
    channels: &[ChannelId],
) -> Result<()> {
    for (position, id) in (0..).zip(channels) {
        let Some(slot) = all.iter_mut().find(|c| c.id == *id) else {
            continue;
        };
        if slot.category == category && slot.position == position {
            continue;
        }
        let mut moved = Channel::clone(slot);
        moved.category = category;
        moved.position = position;
        channels::place(d.tx, moved.id, category, position)?;
        *slot = Arc::new(moved);
    }
    Ok(())
}

/// Moves one channel of `all` to a category and a place there (last where none is named); the others make room.
pub(super) fn move_channel(
    d: &mut Draft<'_>,
    all: &mut [Arc<Channel>],
    channel: ChannelId,
    to: Option<CategoryId>,
    at: Option<u32>,
) -> Result<()> {
    let from = all.iter().find(|c| c.id == channel).and_then(|c| c.category);
    let ids = |group: Vec<Arc<Channel>>| -> Vec<ChannelId> {
        group.iter().map(|c| c.id).filter(|id| *id != channel).collect()
    };
    if from != to {
        let left = ids(group(all, from));
        store(d, all, from, &left)?;
    }
    let there = insert(ids(group(all, to)), channel, at);
    store(d, all, to, &there)?;
    let waddle = d.waddle();
    let slug = d.slug();
    d.event(Event::OrderChanged { waddle, slug });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::insert;

    #[test]
    fn an_item_comes_to_its_place_or_last() {
        assert_eq!(insert(vec!['a', 'b'], 'x', Some(0)), ['x', 'a', 'b']);
        assert_eq!(insert(vec!['a', 'b'], 'x', Some(1)), ['a', 'x', 'b']);
        assert_eq!(insert(vec!['a', 'b'], 'x', Some(u32::MAX)), ['a', 'b', 'x']);
        assert_eq!(insert(vec![], 'x', None), ['x']);
    }
}
