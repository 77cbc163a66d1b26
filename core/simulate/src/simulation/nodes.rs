//! The nodes of a simulated world, and what they serve.

use super::{Node, Simulation, refused};
use crate::answer::Source;
use crate::fault::Fault;
use tidegate_decide::rollout::Fleet;
use tidegate_model::key::NodeName;
use tidegate_model::rollout::Phase;

impl<A: Source> Simulation<A> {
    /// Adds a node that follows.
    ///
    /// # Errors
    /// When that is no name.
    pub fn join(&mut self, node: &str) -> Result<(), Fault> {
        let node = NodeName::new(node).map_err(refused)?;
        let serves = self.published;
        self.nodes.insert(
            node,
            Node {
                follows: true,
                serves,
                requests: 0,
            },
        );
        Ok(())
    }

    /// What the nodes serve.
    pub fn fleet(&self) -> Fleet {
        Fleet {
            published: self.published,
            all_heard: true,
            requests: (self.nodes.iter())
                .map(|(name, node)| (name.clone(), node.requests))
                .collect(),
            live: self
                .nodes
                .iter()
                .map(|(name, node)| (name.clone(), node.serves))
                .collect(),
        }
    }

    /// All nodes that follow take what is published.
    pub fn publish(&mut self) {
        self.published = match self.rollout.phase {
            // The split is gone: whoever took the newest snapshot serves beyond every revision of it.
            Phase::Ended { .. } => self.revision,
            _ => self.rollout.split_revision,
        };
        for node in self.nodes.values_mut().filter(|node| node.follows) {
            node.serves = self.published;
        }
    }
}
