//! shoal-recipe.
