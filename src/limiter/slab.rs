//! A pool of entries whose keys never find a later entry in the same place.

/// Places kept when the pool runs empty; a pool that was larger gives the rest of its memory back.
const KEEP_PLACES: usize = 1024;

/// The key of one entry, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    serial: u64,
    index: u32,
}

/// A pool of entries with O(1) insert, look-up and removal.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<Option<(u64, T)>>,
    vacant: Vec<u32>,
    next_serial: u64,
}

impl<T> Slab<T> {
    pub(super) fn new() -> Self {
        Self { places: Vec::new(), vacant: Vec::new(), next_serial: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.vacant.len()
    }

    pub(super) fn insert(&mut self, entry: T) -> Key {
        let serial = self.next_serial;
        self.next_serial += 1;
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.places.push(None);
            u32::try_from(self.places.len() - 1).expect("fewer than 2^32 entries at once")
        });
        if let Some(place) = self.places.get_mut(index as usize) {
            *place = Some((serial, entry));
        }
        Key { serial, index }
    }

    pub(super) fn get(&self, key: Key) -> Option<&T> {
        let (serial, entry) = self.places.get(key.index as usize)?.as_ref()?;
        (*serial == key.serial).then_some(entry)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (serial, entry) = self.places.get_mut(key.index as usize)?.as_mut()?;
        (*serial == key.serial).then_some(entry)
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        let (_, entry) = self.places.get_mut(key.index as usize)?.take()?;
        self.vacant.push(key.index);
        if self.len() == 0 && self.places.len() > KEEP_PLACES {
            self.places = Vec::new();
            self.vacant = Vec::new();
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_a_removed_entry_finds_nothing_even_after_its_place_is_used_again() {
        let mut slab = Slab::new();
        let old = slab.insert('a');
        assert_eq!(slab.remove(old), Some('a'));
        let new = slab.insert('b');
        assert_eq!(slab.get(old), None);
        assert_eq!(slab.remove(old), None);
        assert_eq!((slab.get(new), slab.len()), (Some(&'b'), 1));
    }

    #[test]
    fn an_emptied_pool_gives_its_memory_back() {
        let mut slab = Slab::new();
        let keys: Vec<_> = (0..=KEEP_PLACES).map(|n| slab.insert(n)).collect();
        for key in keys {
            slab.remove(key);
        }
        assert_eq!((slab.len(), slab.places.capacity(), slab.vacant.capacity()), (0, 0, 0));
    }
}
