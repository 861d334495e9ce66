"""A small image classifier for CIFAR-10 (3 x 32 x 32, ten classes)."""

import torch
from torch import nn


class CNN(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, kernel_size=3),
            nn.ReLU(),
            nn.BatchNorm2d(16),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 8, kernel_size=3),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        # 32 -> 30 -> 15 -> 13 -> 6
        self.fc1 = nn.Linear(8 * 6 * 6, 128)
        self.fc2 = nn.Linear(128, 128)
        self.fc3 = nn.Linear(128, 64)
        self.drop1 = nn.Dropout(0.3)
        self.fc4 = nn.Linear(64, 32)
        self.drop2 = nn.Dropout(0.5)
        self.final = nn.Linear(32, num_classes)

    def forward(self, x):
        x = self.features(x)
        x = torch.flatten(x, 1)
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        x = torch.relu(self.fc3(x))
        x = self.drop1(x)
        x = torch.relu(self.fc4(x))
        x = self.drop2(x)
        return torch.softmax(self.final(x), dim=1)


if __name__ == "__main__":
    model = CNN().eval()
    print(model(torch.randn(1, 3, 32, 32)).shape)
