//! Categories: named groups of channels, in an order.

use std::sync::Arc;

use waddle_core::{CategoryId, WaddleId};
use waddle_storage::repo::categories;

use super::{bounded, channel_name, places};
use crate::{Actor, Category, CategoryChange, Community, Error, Event, On, Result, change::Draft};

const NONE: Error = Error::NotFound("category");

/// Stores the order of the categories.
fn arrange(d: &mut Draft<'_>, order: Vec<Arc<Category>>) -> Result<()> {
    let mut arranged = Vec::with_capacity(order.len());
    for (position, c) in (0..).zip(order) {
        if c.position == position {
            arranged.push(c);
            continue;
        }
        let mut moved = Category::clone(&c);
        moved.position = position;
        categories::update(d.tx, &moved)?;
        arranged.push(Arc::new(moved));
    }
    d.set_categories(arranged);
    let (waddle, slug) = (d.waddle(), d.slug());
    d.event(Event::OrderChanged { waddle, slug });
    Ok(())
}

impl Community {
    /// Makes a category; it comes last. Needs `waddle#create_channel`.
    pub async fn create_category(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        name: &str,
    ) -> Result<Arc<Category>> {
        channel_name(name)?;
        let name = name.to_owned();
        self.change(id, actor.into(), move |d| {
            d.require(On::Waddle, "create_channel")?;
            let mut all = d.categories();
            bounded(
                "categories in a waddle",
                all.len(),
                d.limits.categories_per_waddle,
            )?;
            let category = Arc::new(Category {
                id: CategoryId::new(),
                name,
                position: u32::try_from(all.len()).unwrap_or(u32::MAX),
                created_at: d.now,
            });
            categories::insert(d.tx, &category)?;
            d.audit(
                "category.create",
                &format!("category:{}", category.id),
                &category.name,
                None,
            )?;
            all.push(category.clone());
            arrange(d, all)?;
            Ok(category)
        })
        .await
    }

    /// Renames or moves a category. Needs `waddle#create_channel`.
    pub async fn update_category(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        category: CategoryId,
        change: CategoryChange,
    ) -> Result<Arc<Category>> {
        change.name.as_deref().map_or(Ok(()), channel_name)?;
        self.change(id, actor.into(), move |d| {
            d.require(On::Waddle, "create_channel")?;
            let mut all = d.categories();
            let at = all.iter().position(|c| c.id == category).ok_or(NONE)?;
            let mut changed = Category::clone(&all[at]);
            changed.name = change.name.unwrap_or(changed.name);
            if changed != *all[at] {
                categories::update(d.tx, &changed)?;
            } else if change.position.is_none_or(|p| p == changed.position) {
                return Ok(all[at].clone());
            }
            all.remove(at);
            let to = change.position.or(Some(changed.position));
            d.audit(
                "category.update",
                &format!("category:{category}"),
                &changed.name,
                None,
            )?;
            arrange(d, places::insert(all, Arc::new(changed), to))?;
            d.categories().into_iter().find(|c| c.id == category).ok_or(NONE)
        })
        .await
    }

    /// Deletes a category; its channels stay, behind those that are in none. Needs `waddle#create_channel`.
    pub async fn delete_category(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        category: CategoryId,
    ) -> Result<()> {
        self.change(id, actor.into(), move |d| {
            d.require(On::Waddle, "create_channel")?;
            let mut all = d.categories();
            let at = all.iter().position(|c| c.id == category).ok_or(NONE)?;
            let gone = all.remove(at);
            let mut channels = d.channels();
            let mut free: Vec<_> = places::group(&channels, None).iter().map(|c| c.id).collect();
            free.extend(places::group(&channels, Some(category)).iter().map(|c| c.id));
            places::store(d, &mut channels, None, &free)?;
            d.set_channels(channels);
            categories::delete(d.tx, category)?;
            d.audit(
                "category.delete",
                &format!("category:{category}"),
                &gone.name,
                None,
            )?;
            arrange(d, all)
        })
        .await
    }

    /// The categories of a waddle, in their order.
    pub async fn categories(&self, id: WaddleId) -> Result<Vec<Arc<Category>>> {
        Ok(self.access(id).await?.categories())
    }
}
